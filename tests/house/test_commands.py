"""Every command that the docs show exists, with the flags that they show."""

import re

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.cli import cli as orchestrator
from tests.documented import ROOT, documented
from workers.cli import cli as workers


def code(program: typer.Typer, *words: str) -> int:
    """Exit code of a command with `--help`: 2 if it, or a flag of it, does not exist. Nothing is run."""
    return CliRunner().invoke(program, [*words, "--help"]).exit_code


def test_the_docs_show_commands() -> None:
    """The pages are read: an empty list would pass every other test."""
    assert len(documented("orchestrator")) > 30 and len(documented("make")) > 5


@pytest.mark.parametrize(("name", "program"), [("orchestrator", orchestrator), ("workers", workers)])
def test_commands_and_flags_of_the_docs_exist(name: str, program: typer.Typer) -> None:
    """Command, sub-command and each flag are known to the program; values are tried in tests/system."""
    assert not [str(each) for each in documented(name) if code(program, *each.words) != 0]
    assert (code(program, "no-such-command"), code(program, "--no-such-flag")) == (2, 2)


def test_targets_of_make_exist() -> None:
    """Each `make TARGET` of the docs is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {command.words[0] for command in documented("make")} <= targets
