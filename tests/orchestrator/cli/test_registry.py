"""The registry: which commands there are, and their help."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import cli as package
from orchestrator.cli.app import cli
from orchestrator.cli.registry import SECTIONS

COMMANDS = [name for names in SECTIONS.values() for name in names if name != "telemetry"]
TELEMETRY = ["tail", "validate", "replay"]
SHARED = {
    "app", "broker_file", "checks", "config_flags", "error_boundary", "options", "output", "registry", "release_log",
    "run_report",
}  # fmt: skip
EIGHTY = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def help_of(*command: str) -> str:
    result = CliRunner(env=EIGHTY).invoke(cli, [*command, "--help"], prog_name="orchestrator")
    assert result.exit_code == 0, result.output
    return result.output


def test_every_module_is_a_registered_command_or_shared_code() -> None:
    """A file of a command that is in no section would be a command that cannot be run."""
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules - SHARED == set(COMMANDS)


def test_the_help_fits_80_columns_and_cuts_no_summary() -> None:
    """`orchestrator --help` has one line per command, under its section, with the whole summary."""
    usage, *lines = help_of().splitlines()
    assert max(map(len, lines)) <= 80 and not any(line.endswith("...") for line in lines), usage
    for section, names in SECTIONS.items():
        start = lines.index(f"{section}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(names)]] == list(names)


@pytest.mark.parametrize(
    "command", [*((name,) for name in COMMANDS), *(("telemetry", name) for name in TELEMETRY)], ids=" ".join
)
def test_every_command_has_an_example_within_80_columns(command: tuple[str, ...]) -> None:
    """The help of a command shows at least one command line, whole, and no line is longer than a terminal."""
    text = help_of(*command)
    assert f"  orchestrator {' '.join(command)}" in text
    assert max(map(len, text.splitlines())) <= 80
