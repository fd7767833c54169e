"""`orchestrator run` and `orchestrator resume`."""

import json
import sqlite3
from typing import Annotated

import typer
from redis.exceptions import RedisError

from orchestrator.cli.options import fail, with_config
from orchestrator.terminal.console import Console
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import GurukulError
from schemas.files.layout import RunLayout
from schemas.files.run_rows import open_run, read_model

SHOWN_FAILURES = 5


@with_config(RunConfig)
def run(config: RunConfig) -> None:
    """Train, judge and brief: the main job.

    \b
    Example:
      orchestrator run --source csv:bars --symbols TCS,INFY \\
        --start-date 2022-01-01 --end-date 2024-12-31
    """
    from orchestrator.runs import session as running

    console = Console(stderr=config.json_summary)
    layout, code = running.start(config, console)
    _report(layout, console, code, config.json_summary)


def resume(
    run_id: Annotated[str, typer.Argument(help="The run to finish.")],
    data_dir: Annotated[
        str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")
    ] = "data",
    broker: Annotated[
        str | None,
        typer.Option(help="URL of the broker, if it needs a password or has moved.", envvar="GURUKUL_BROKER"),
    ] = None,
    json_summary: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line of stdout.")
    ] = False,
) -> None:
    """Finish a run that was interrupted, killed, or failed. Windows that ended well are not trained again.

    \b
    Example:
      orchestrator resume live_candidate_20260102_030405
    """
    from orchestrator.runs import session as running

    console = Console(stderr=json_summary)
    try:
        manifest, layout = load_run(data_dir, run_id)
        code = running.resume(manifest, layout, broker, console)
    except (GurukulError, sqlite3.Error, OSError, RedisError) as error:
        raise fail(error) from None
    _report(layout, console, code, json_summary)


def load_run(data_dir: str, run_id: str) -> tuple[RunManifest, RunLayout]:
    """A stored run's manifest and layout; RequestError if there is none of that name."""
    return open_run(data_dir, run_id)


def _report(layout: RunLayout, console: Console, code: int, as_json: bool) -> None:
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import failed_windows, show, summarise, untrained_symbols

    manifest = read_model(layout.manifest, RunManifest)
    ledger = Ledger(layout.ledger)
    summary = summarise(manifest, ledger, layout)
    message = ledger.get("message")
    untrained = untrained_symbols(manifest, ledger)
    failures = failed_windows(ledger)
    ledger.close()
    show(console, summary, untrained)
    for failure in failures[:SHOWN_FAILURES]:
        console.write(f"failed: {failure}")
    if len(failures) > SHOWN_FAILURES:
        console.write(f"failed: {len(failures) - SHOWN_FAILURES} more, see teacher_runs.json and student_runs.json")
    if code:
        data_dir = manifest.config.data_dir
        where = "" if data_dir == "data" else f" --data-dir {data_dir}"
        if message:
            console.write(f"{summary['status']}: {message}")
        hopeless = summary["status"] == "failed" and not any(
            summary["windows"]["teacher"][key] for key in ("success", "failed")
        )
        if not hopeless:
            console.write(f"to go on: orchestrator resume {manifest.run_id}{where}")
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
    raise typer.Exit(code)
