"""`orchestrator fetch`."""

from typing import Annotated

import typer

from orchestrator.cli.options import DataDir
from schemas.contract.command_line import command_line
from schemas.contract.store_address import STORE_ENV


def fetch(
    run_id: Annotated[str, typer.Argument(help="The run's id, whole.")],
    store: Annotated[str, typer.Option(help="URL of the run's store: s3://BUCKET/PREFIX.", envvar=STORE_ENV)],
    data_dir: DataDir = "data",
) -> None:
    """Bring a run here from its store, as of its last ended phase. Then `status`, `verify` and `resume` work here.

    \b
    Example:
      orchestrator fetch live_candidate_20260102_030405 --store s3://BUCKET/PREFIX
    """
    from pathlib import Path

    from orchestrator.store.run_copy import fetch_copy
    from schemas.store.mirror import Mirror
    from schemas.store.object_store import open_store
    from schemas.store.probe import checked_store

    layout = fetch_copy(Mirror(Path(data_dir), open_store(checked_store(store))), run_id)
    typer.echo(f"{layout.folder}: fetched; next: `{command_line('status', run_id, data_dir=data_dir)}`")
