"""The help of every command as a user sees it, in terminals of 80 and 200 columns: `screens/help-*.txt`.

After a change that is wanted: `UPDATE_SCREENS=1 python -m pytest tests/orchestrator/cli/test_screens.py`, and read the
difference.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator.cli.app import cli
from orchestrator.cli.registry import SECTIONS
from tests.orchestrator.cli.test_registry import TELEMETRY
from workers.cli import cli as workers

SCREENS = Path(__file__).parent / "screens"


def screens(printed: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Each command line with what it prints."""
    commands = [[], *([name] for names in SECTIONS.values() for name in names), *(["telemetry", n] for n in TELEMETRY)]
    for program, app, lines in (("orchestrator", cli, commands), ("workers", workers, [[], ["start"], ["health"]])):
        group = get_command(app)
        for words in lines:
            group.main([*words, "--help"], prog_name=program, standalone_mode=False)
            yield f"$ {' '.join([program, *words])} --help\n{printed.readouterr().out.rstrip()}\n"


@pytest.mark.parametrize("width", ["80", "200"])
def test_help_is_as_it_was_read(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed word of help, default or type of value shows as a difference to read."""
    monkeypatch.setenv("COLUMNS", width)
    stored = SCREENS / f"help-{width}.txt"
    now = "\n".join(screens(capsys))
    if os.environ.get("UPDATE_SCREENS"):
        stored.write_text(now, encoding="utf-8")
    assert now == stored.read_text(encoding="utf-8")
