"""`orchestrator resume`."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from orchestrator.cli.options import DataDir, RunArgument
from orchestrator.cli.run_report import print_report
from orchestrator.cli.study_report import print_study
from orchestrator.terminal.console import Console
from schemas.contract.errors import HeldError, RequestError
from schemas.files.run_files import open_run
from schemas.redis.client import BROKER_ENV

# Between two looks whether the run is free.
POLL_S = 5.0


def resume(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    broker: Annotated[
        str | None, typer.Option(help="URL of the broker, if it needs a password or has moved.", envvar=BROKER_ENV)
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds to wait for another process that runs it; a lost host ends after 60."),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")] = False,
) -> None:
    """Finish a run that was interrupted, was killed, or failed.

    Windows that are trained are not trained again. A run that a process on another host or in another container ran is
    refused for up to 60 seconds after that process was killed; the line says until when.

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
        code = once_free(lambda: tuning.resume(manifest, layout, broker, console), wait, console)
        print_study(layout, console, code, as_json=as_json)
        raise typer.Exit(code)
    code = once_free(lambda: session.resume(manifest, layout, broker, console), wait, console)
    print_report(layout, console, code, as_json=as_json)
    raise typer.Exit(code)


def once_free(resume: Callable[[], int], wait_s: float, console: Console) -> int:
    """The exit code of `resume`, which is repeated while another process holds the run; HeldError after `wait_s`."""
    deadline_s, has_said = time.monotonic() + wait_s, False
    while True:
        try:
            return resume()
        except HeldError as error:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0.0:
                raise
            if not has_said:
                console.write(f"waiting for up to {wait_s:.0f} s: {error}")
                has_said = True
            time.sleep(min(POLL_S, left_s))
