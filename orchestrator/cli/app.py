"""The program `orchestrator`: its options and its commands."""

from orchestrator.cli.registry import SECTIONS, group_of
from schemas.terminal.version_option import VersionOption

cli = group_of("orchestrator.cli", SECTIONS, completion=True)


@cli.callback()
def main(_: VersionOption = False) -> None:
    """Train a teacher and a student model per symbol and window, judge them on unseen bars, and prepare their release.

    `orchestrator COMMAND --help` describes a command and gives examples.

    Exit codes: 0 done, 2 the request cannot be carried out as written, 3 a phase, a check or the machine failed, 130
    interrupted or cancelled.
    """
