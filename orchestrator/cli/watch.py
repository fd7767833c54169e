"""`orchestrator watch`: a run's picture from anywhere; it only reads, so closing it leaves the run alone."""

import sqlite3
import time
from typing import Annotated

import typer
from redis.exceptions import RedisError

from orchestrator.cli.options import fail
from orchestrator.cli.run import load_run
from orchestrator.events.event_follower import EventFollower
from orchestrator.events.run_state import RUNNING, RunState
from orchestrator.ledger.ledger_reader import INTERRUPTED, read_snapshot
from orchestrator.terminal.console import Console
from orchestrator.terminal.live_view import LiveView, utc_now
from orchestrator.terminal.run_view import RunView
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import GurukulError
from schemas.contract.identifiers import check_run_id
from schemas.files.layout import RunLayout, telemetry_path
from schemas.files.run_rows import read_model
from schemas.redis.client import BROKER_ENV, connect
from schemas.redis.keys import events_stream

POLL_S = 0.25
# The log is a second behind, and a process that has let go of its run may still be writing its last line.
SILENT_S = 3.0

DataDir = Annotated[str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")]
Broker = Annotated[
    str | None,
    typer.Option(help="URL of the broker that the run shares; else its log is read.", envvar=BROKER_ENV),
]


def watch(
    run_id: Annotated[str, typer.Argument(help="The run to watch.")],
    data_dir: DataDir = "data",
    broker: Broker = None,
    once: Annotated[bool, typer.Option("--once", help="Print the picture as it is now, and end.")] = False,
) -> None:
    """Watch a run until it ends: phases, a grid of symbols and windows, devices, failures. Ctrl-C leaves it running.

    \b
    Example:
      orchestrator watch live_candidate_20260102_030405
    """
    console = Console()
    try:
        follower, layout = follow(run_id, data_dir, broker)
        with LiveView(console, run_id) as live_view:
            _catch_up(follower, live_view, quiet=once or console.is_terminal)
            _lay_out(live_view, layout)
            settle(live_view.state, layout)
            if not once:
                live_view.show()
                _watch(follower, live_view, layout)
    except KeyboardInterrupt:
        console.write(f"run {run_id} goes on without this window")
        return
    except (GurukulError, OSError, RedisError, sqlite3.Error) as error:
        raise fail(error) from None
    console.print(RunView(live_view.state, utc_now, whole=True))
    if live_view.state.status == INTERRUPTED:
        where = "" if data_dir == "data" else f" --data-dir {data_dir}"
        console.write(f"nobody runs it any more; to go on: orchestrator resume {run_id}{where}")
    if follower.missed:
        console.write(f"{follower.missed} events were to be had nowhere any more")


def follow(run_id: str, data_dir: str, broker: str | None) -> tuple[EventFollower, RunLayout | None]:
    """A follower of a run under `data_dir`, or of one that only a broker knows; GurukulError if neither does."""
    from orchestrator.broker import embedded as brokers

    if broker is not None:
        brokers.check(broker)
        with connect(broker) as redis:
            on_broker = bool(redis.exists(events_stream(run_id)))
    else:
        on_broker = False
    try:
        manifest, layout = load_run(data_dir, run_id)
    except GurukulError:
        if not on_broker:
            raise
        return EventFollower(check_run_id(run_id), None, broker), None
    if not manifest.config.telemetry:
        raise GurukulError(f"run {run_id} was started with --no-telemetry; `orchestrator status {run_id}` counts it")
    url = broker or (manifest.config.broker if on_broker else None)
    return EventFollower(run_id, telemetry_path(manifest.config, run_id), url), layout


def settle(state: RunState, layout: RunLayout | None, *, silent: bool = False) -> None:
    """Say of a run whose events have no end that its process is gone; after a silence, whatever its ledger says."""
    if layout is not None and not state.over and layout.ledger.is_file():
        status = read_snapshot(layout.ledger).status
        if status == INTERRUPTED or (silent and status != RUNNING):
            state.break_off(status)


def _catch_up(follower: EventFollower, live_view: LiveView, *, quiet: bool) -> None:
    """Take in what has happened so far; unless `quiet`, in lines."""
    if not quiet:
        live_view.show()
    while events := follower.poll():
        for event in events:
            live_view.take(event)


def _lay_out(live_view: LiveView, layout: RunLayout | None) -> None:
    """Show the windows that are planned, too, once there is a plan."""
    if layout is not None:
        live_view.state.expect(each.window for each in read_model(layout.manifest, RunManifest).plan)


def _watch(follower: EventFollower, live_view: LiveView, layout: RunLayout | None) -> None:
    """Until the run has ended, or its process is gone without a word."""
    heard, phases = time.monotonic(), len(live_view.state.phases)
    while not live_view.state.over:
        events = follower.poll(POLL_S)
        for event in events:
            live_view.take(event)
        if events:
            heard = time.monotonic()
            if len(live_view.state.phases) != phases:
                phases = len(live_view.state.phases)
                _lay_out(live_view, layout)
        elif layout is not None and time.monotonic() - heard > SILENT_S:
            settle(live_view.state, layout, silent=True)
            heard = time.monotonic()
        if not follower.live:
            time.sleep(POLL_S)
