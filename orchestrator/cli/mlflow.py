"""`orchestrator mlflow`."""

from typing import Annotated

import typer

from orchestrator.cli.checks import named
from orchestrator.cli.options import DataDir, Json, NamedRun
from orchestrator.cli.run_choice import whole_id
from orchestrator.terminal.console import Console


def mlflow(
    run_id: NamedRun,
    uri: Annotated[str, typer.Argument(help="Address of the MLflow server, http://HOST:PORT or https://HOST.")],
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """Store a judged run on an MLflow server.

    That is its settings, scores, verdict and audit. The experiment is MLFLOW_EXPERIMENT_NAME, or else gurukul. A run
    that is there already is written again. `run --mlflow URI` does the same when a run has ended.

    \b
    Example:
      orchestrator mlflow nightly http://127.0.0.1:5000
    """
    from orchestrator.runs.tracking import track
    from schemas.contract.tracking_address import tracking_uri
    from schemas.files.run_files import open_run

    address = named("URI", tracking_uri, uri)
    _, layout = open_run(data_dir, whole_id(data_dir, run_id))
    console = Console(stderr=as_json)
    with console.status("storing"):
        found = track(layout, address)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        console.write(f"{'written again' if found.again else 'stored'}: {found.url}")
