"""The program `orchestrator`: its options and its commands."""

from importlib.metadata import version
from typing import Annotated

import typer

from orchestrator.cli.registry import SECTIONS, group_of

cli = group_of("orchestrator.cli", SECTIONS, completion=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gurukul {version('gurukul')}")
        raise typer.Exit


@cli.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train a teacher and a student model per symbol and window, judge them on unseen bars, and prepare their release.

    `orchestrator COMMAND --help` describes a command and gives examples.

    Exit codes: 0 done, 2 the request cannot be carried out as written, 3 a phase, a check or the machine failed, 130
    interrupted or cancelled.
    """
