"""The option `--version` of all programs."""

from typing import Annotated

import typer

from schemas.contract.versions import artifact_versions


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gurukul {artifact_versions()['gurukul']}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and the digest of the code, which all hosts of a fleet share, and exit.",
    ),
]
