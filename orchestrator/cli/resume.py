"""`orchestrator resume`."""

from typing import Annotated

import typer

from orchestrator.cli.options import DataDir, RunArgument
from orchestrator.cli.run_report import print_report
from orchestrator.cli.study_report import print_study
from orchestrator.terminal.console import Console
from schemas.contract.errors import RequestError
from schemas.files.run_files import open_run
from schemas.redis.client import BROKER_ENV


def resume(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    broker: Annotated[
        str | None, typer.Option(help="URL of the broker, if it needs a password or has moved.", envvar=BROKER_ENV)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")] = False,
) -> None:
    """Finish a run that was interrupted, was killed, or failed.

    Windows that are trained are not trained again.

    \b
    Example:
      orchestrator resume live_candidate_20260102_030405
    """
    from orchestrator.runs import session
    from orchestrator.tuning import session as tuning

    console = Console(stderr=as_json)
    manifest, layout = open_run(data_dir, run_id)
    if (parent := layout.parent_study) is not None:
        raise RequestError(f"{run_id} is a trial of a study; resume the study {parent.folder.name}")
    if layout.study.is_file():
        code = tuning.resume(manifest, layout, broker, console)
        print_study(layout, console, code, as_json=as_json)
        raise typer.Exit(code)
    code = session.resume(manifest, layout, broker, console)
    print_report(layout, console, code, as_json=as_json)
    raise typer.Exit(code)
