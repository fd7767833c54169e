"""`orchestrator telemetry tail`."""

import time
from typing import Annotated

import typer
from rich.text import Text

from orchestrator.cli.options import DataDir, RunArgument, RunBroker
from orchestrator.events.run_fold import notice
from orchestrator.runs.follow import SILENT_S, condition_of, follow
from orchestrator.terminal.console import Console
from schemas.contract.event import EventStatus, EventType, TrainingEvent

POLL_S = 0.25
STYLES = {EventStatus.SUCCESS: "green", EventStatus.FAILED: "red", EventStatus.SKIPPED: "bright_black"}


def tail(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    broker: RunBroker = None,
    last: Annotated[int, typer.Option(min=0, help="Number of past events to begin with.")] = 20,
    heartbeats: Annotated[bool, typer.Option("--heartbeats", help="Include the heartbeats of devices.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, as in the log.")] = False,
) -> None:
    """Print a run's last events, then each new one.

    Ends with the run.

    \b
    Example:
      orchestrator telemetry tail live_candidate_20260102_030405 --last 5
    """
    console = Console()
    try:
        follower, layout = follow(run_id, data_dir, broker)
        last_event = time.monotonic()
        past: list[TrainingEvent] = []
        while found := follower.poll():
            past += found
        events = [event for event in past if heartbeats or _is_worth_a_line(event)]
        events = events[max(len(events) - last, 0) :]
        ended = bool(past) and past[-1].event_type is EventType.RUN_END
        if follower.refused:
            Console(stderr=True).write(f"the broker {follower.refused}; only the event log is read")
        while True:
            for event in events:
                _print(console, event, as_json)
            if ended or console.quiet:
                return
            found = follower.poll(POLL_S)
            ended = any(event.event_type is EventType.RUN_END for event in found)
            events = [event for event in found if heartbeats or _is_worth_a_line(event)]
            if found:
                last_event = time.monotonic()
            elif time.monotonic() - last_event > SILENT_S:
                last_event = time.monotonic()
                condition = condition_of(layout)
                ended = condition is not None and not condition.status.is_active
                if ended:
                    Console(stderr=True).write(f"run {run_id} is {condition}")
            if not follower.live:
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        return


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
