"""The help of every command as a user sees it, in 80 columns: `screens/help.txt`.

After a change that is wanted: `UPDATE_SCREENS=1 python -m pytest tests/orchestrator/cli/test_screens.py`, and read the
difference.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from orchestrator.cli.app import cli
from orchestrator.cli.registry import SECTIONS
from tests.orchestrator.cli.test_registry import EIGHTY, TELEMETRY
from workers.cli import cli as workers

HELP = Path(__file__).parent / "screens" / "help.txt"


def screens() -> Iterator[str]:
    """Each command line with what it prints."""
    commands = [[], *([name] for names in SECTIONS.values() for name in names), *(["telemetry", n] for n in TELEMETRY)]
    for program, app, lines in (("orchestrator", cli, commands), ("workers", workers, [["start"]])):
        for words in lines:
            result = CliRunner(env=EIGHTY).invoke(app, [*words, "--help"], prog_name=program)
            assert result.exit_code == 0, result.output
            yield f"$ {' '.join([program, *words])} --help\n{result.output.rstrip()}\n"


def test_help_is_as_it_was_read() -> None:
    """A changed word of help, default or type of value shows as a difference to read."""
    now = "\n".join(screens())
    if os.environ.get("UPDATE_SCREENS"):
        HELP.write_text(now, encoding="utf-8")
    assert now == HELP.read_text(encoding="utf-8")
