"""`orchestrator verify`."""

from typing import Annotated

import typer

from orchestrator.cli.checks import named
from orchestrator.cli.options import DataDir, Json, PublicKey, RunArgument
from orchestrator.terminal.console import Console
from schemas.contract.errors import ExitCode
from schemas.contract.identifiers import check_run_id


def verify(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    release_dir: Annotated[
        str, typer.Option(help="Folder of audit bundles; if omitted: the run's own.", envvar="GURUKUL_RELEASE_DIR")
    ] = "",
    public_key: PublicKey = None,
    as_json: Json = False,
) -> None:
    """Check a run's files, certificates and signature.

    Hashes every file of the run and of its audit bundle again, and proves every certificate again from the stored
    rows. Needs no network. Exit code 3 if anything is not as recorded.

    \b
    Example:
      orchestrator verify live_candidate_20260102_030405 \\
        --public-key release.pub
    """
    from orchestrator.runs.verify import verified

    console = Console(stderr=as_json)
    with console.status("hashing"):
        found = verified(data_dir, release_dir or None, named("RUN_ID", check_run_id, run_id), public_key)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        for fault in found.broken:
            console.write(f"broken: {fault}")
        for note in found.notes:
            console.write(f"note: {note}")
        console.write(
            f"{found.windows} windows, {found.files} files hashed, {found.certificates} certificates proved again"
            f" over {found.spans} spans: {f'{len(found.broken)} broken' if found.broken else 'all as recorded'}"
        )
        console.write(f"audit bundle: {found.bundle}")
    raise typer.Exit(ExitCode.FAILED if found.broken else ExitCode.DONE)
