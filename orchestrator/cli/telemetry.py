"""`orchestrator telemetry`: check an event log, read along, play one again."""

import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import fail
from orchestrator.cli.watch import POLL_S, Broker, DataDir, follow
from orchestrator.events.emitter import parse_event
from orchestrator.terminal.console import Console
from orchestrator.terminal.live_view import LiveView, notice, utc_now
from orchestrator.terminal.run_view import RunView
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.identifiers import check_run_id
from schemas.redis.client import connect
from schemas.redis.events import emit
from schemas.redis.keys import RUN_KEYS_LINGER_S, events_stream, sequence_key

SHOWN_FAULTS = 20
STYLES = {EventStatus.SUCCESS: "green", EventStatus.FAILED: "red", EventStatus.SKIPPED: "bright_black"}

group = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

LogFile = Annotated[Path, typer.Argument(help="An event log, training_run_RUN_ID.jsonl.")]


@group.callback()
def main() -> None:
    """Check an event log, read along, play one again. docs/telemetry.md describes the events."""


@group.command()
def validate(file: LogFile) -> None:
    """Check that every line is an event, of one run, counted without a gap. Exit 2 if not.

    \b
    Example:
      orchestrator telemetry validate data/analytics/training/training_run_R.jsonl
    """
    try:
        lines = file.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise fail(RequestError(f"{file} cannot be read: {error.strerror}")) from None
    console = Console()
    kinds, faults = _examine(file, lines)
    if kinds:
        table = Table()
        table.add_column("event")
        table.add_column("count", justify="right")
        for kind in EventType:
            if kinds[kind]:
                table.add_row(kind, str(kinds[kind]))
        console.print(table)
    for fault in faults[:SHOWN_FAULTS]:
        console.write(fault)
    if len(faults) > SHOWN_FAULTS:
        console.write(f"and {len(faults) - SHOWN_FAULTS} more")
    console.write(f"{len(lines)} lines, {len(faults) or 'no'} fault{'' if len(faults) == 1 else 's'}")
    if kinds and not kinds[EventType.RUN_END]:
        console.write("no run_end: the run goes on, or the end of its log is missing")
    if faults or not lines:
        raise typer.Exit(2)


def _examine(file: Path, lines: list[bytes]) -> tuple[Counter[EventType], list[str]]:
    """How often each type occurs, and a sentence for each fault."""
    kinds: Counter[EventType] = Counter()
    faults: list[str] = [] if lines else [f"{file} is empty"]
    run_id, last = None, 0
    for number, line in enumerate(lines, 1):
        where = f"line {number}"
        if not line.endswith(b"\n"):
            faults.append(f"{where}: cut off")
            continue
        try:
            event = parse_event(line, where)
        except GurukulError as error:
            faults.append(str(error))
            continue
        kinds[event.event_type] += 1
        run_id = run_id or event.run_id
        if event.run_id != run_id:
            faults.append(f"{where}: of run {event.run_id}, the first is of {run_id}")
        if event.seq != last + 1:
            faults.append(f"{where}: seq {event.seq} follows {last}")
        last = event.seq or last
    return kinds, faults


@group.command()
def tail(
    run_id: Annotated[str, typer.Argument(help="The run to read along with.")],
    data_dir: DataDir = "data",
    broker: Broker = None,
    last: Annotated[int, typer.Option(min=0, help="How many past events to begin with.")] = 20,
    heartbeats: Annotated[bool, typer.Option("--heartbeats", help="Devices' heartbeats as well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as in the log.")] = False,
) -> None:
    """Print a run's last events, and each new one as it happens, until the run ends.

    \b
    Example:
      orchestrator telemetry tail live_candidate_20260102_030405 --last 5
    """
    console = Console()
    try:
        follower, _ = follow(run_id, data_dir, broker)
        past: list[TrainingEvent] = []
        while found := follower.poll():
            past += found
        events = [event for event in past if heartbeats or _is_worth_a_line(event)]
        events = events[max(len(events) - last, 0) :]
        ended = bool(past) and past[-1].event_type is EventType.RUN_END
        while True:
            for event in events:
                _print(console, event, as_json)
            if ended or console.quiet:
                return
            found = follower.poll(POLL_S)
            ended = any(event.event_type is EventType.RUN_END for event in found)
            events = [event for event in found if heartbeats or _is_worth_a_line(event)]
            if not follower.live:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
    except (GurukulError, OSError, RedisError) as error:
        raise fail(error) from None


def _is_worth_a_line(event: TrainingEvent) -> bool:
    return event.event_type is not EventType.DEVICE_HEARTBEAT or bool(event.message)


def _print(console: Console, event: TrainingEvent, as_json: bool) -> None:
    if as_json:
        console.print(Text(event.model_dump_json()), soft_wrap=True)
        return
    what = notice(event) or " ".join(
        part
        for part in (
            event.window_label or event.phase,
            f"on {event.device}" if event.device else "",
            f"{event.duration_seconds:.2f} s" if event.duration_seconds is not None else "",
            event.message,
        )
        if part
    )
    line = Text(f"{event.timestamp.astimezone():%H:%M:%S} ", "dim")
    line.append(f"{event.event_type:<23} ", STYLES.get(event.status, "")).append(what)
    console.print(line, soft_wrap=True)


@group.command()
def replay(
    file: LogFile,
    speed: Annotated[float, typer.Option(min=0.0, help="Times as fast as it was; 0: as fast as it goes.")] = 10.0,
    broker: Annotated[
        str | None, typer.Option(help="Publish there, for any viewer, rather than show it in this terminal.")
    ] = None,
    run_id: Annotated[str | None, typer.Option(help="Publish as this run; default: the log's.")] = None,
) -> None:
    """Play an event log again: in this terminal, or on a broker for `watch`, `tail` and the dashboard.

    \b
    Example:
      orchestrator telemetry replay training_run_R.jsonl --speed 20
    """
    try:
        with file.open("rb") as lines:
            events = [parse_event(line, f"{file} line {number}") for number, line in enumerate(lines, 1)]
        if not events:
            raise RequestError(f"{file} holds no event")
        missing = (events[-1].seq or 0) - len(events)
        if missing:
            Console(stderr=True).write(f"{missing} events are missing; `orchestrator telemetry validate` says where")
        if broker is None:
            _show(events, speed)
        else:
            _publish(events, speed, broker, check_run_id(run_id or events[0].run_id))
    except KeyboardInterrupt:
        return
    except ValueError as error:
        raise fail(RequestError(str(error))) from None
    except (GurukulError, OSError, RedisError) as error:
        raise fail(error) from None


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
    from orchestrator.broker import embedded as brokers

    brokers.check(broker)
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
    """Until it is the event's turn."""
    if speed:
        due = began + (event.timestamp - first).total_seconds() / speed
        time.sleep(max(due - time.monotonic(), 0.0))
