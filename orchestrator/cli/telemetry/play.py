"""`orchestrator telemetry play`."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import LogFileArgument
from orchestrator.events.event_log import parse_event, unreadable
from orchestrator.terminal.console import Console
from orchestrator.terminal.live_view import LiveView, utc_now
from orchestrator.terminal.run_view import RunView
from schemas.contract.errors import RequestError
from schemas.contract.event import TrainingEvent
from schemas.contract.identifiers import check_run_id
from schemas.redis.client import connect
from schemas.redis.events import emit
from schemas.redis.keys import RUN_KEYS_LINGER_S, events_stream, sequence_key


def play(
    file: LogFileArgument,
    speed: Annotated[float, typer.Option(min=0.0, help="Times as fast as the run was; 0: as fast as possible.")] = 10.0,
    broker: Annotated[
        str | None, typer.Option(help="Publish to this broker instead of showing the run in this terminal.")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Run id to publish under; if omitted: the log's.")] = None,
) -> None:
    """Play an event log again.

    The run is shown in this terminal, or published on a broker for `watch`, `tail` and the dashboard.

    \b
    Example:
      orchestrator telemetry play training_run_R.jsonl --speed 20
    """
    events = _events_of(file)
    missing = (events[-1].seq or 0) - len(events)
    if missing:
        Console(stderr=True).write(f"{missing} events are missing; `orchestrator telemetry validate` shows where")
    try:
        if broker is None:
            _show(events, speed)
        else:
            _publish(events, speed, broker, checks.named("--run-id", check_run_id, run_id or events[0].run_id))
    except KeyboardInterrupt:
        return


def _events_of(file: Path) -> list[TrainingEvent]:
    """The events of a log, without lines that this version cannot read; RequestError if it holds no event."""
    events: list[TrainingEvent] = []
    faults: list[str] = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    events.append(parse_event(line, f"{file} line {number}"))
                except RequestError as error:
                    faults.append(str(error))
    except OSError as error:
        raise unreadable(file, error) from None
    if not events:
        raise RequestError(faults[0] if faults else f"{file} holds no event")
    return events


def _show(events: list[TrainingEvent], speed: float) -> None:
    console, first, began = Console(), events[0].timestamp, time.monotonic()

    def then() -> datetime:
        return first + timedelta(seconds=(time.monotonic() - began) * speed) if speed else last

    last = first
    with LiveView(console, events[0].run_id, then) as live_view:
        live_view.show()
        for event in events:
            last = event.timestamp
            _wait(event, first, began, speed)
            live_view.take(event)
    console.print(RunView(live_view.state, lambda: events[-1].timestamp, whole=True))


def _publish(events: list[TrainingEvent], speed: float, broker: str, run_id: str) -> None:
    from orchestrator.broker import embedded

    embedded.check(broker)
    console, first, began, start = Console(), events[0].timestamp, time.monotonic(), utc_now()
    with connect(broker) as redis:
        if redis.exists(events_stream(run_id)):
            raise RequestError(f"run {run_id} is on that broker already; give another --run-id")
        console.write(
            f"playing {len(events)} events as run {run_id}; orchestrator watch {run_id} --broker URL shows it"
        )
        try:
            for event in events:
                _wait(event, first, began, speed)
                at = start + (event.timestamp - first) / speed if speed else utc_now()
                emit(redis, event.model_copy(update={"run_id": run_id, "timestamp": at}))
        finally:
            for key in (events_stream(run_id), sequence_key(run_id)):
                redis.expire(key, RUN_KEYS_LINGER_S)


def _wait(event: TrainingEvent, first: datetime, began: float, speed: float) -> None:
    """Sleep until the event is due."""
    if speed:
        due = began + (event.timestamp - first).total_seconds() / speed
        time.sleep(max(due - time.monotonic(), 0.0))
