"""`orchestrator watch`."""

import time
from typing import Annotated

import typer

from orchestrator.cli.options import DataDir, RunArgument, RunBroker
from orchestrator.cli.output import print_end
from orchestrator.events.event_follower import EventFollower
from orchestrator.runs.follow import SILENT_S, condition_of, expect_plan, follow, take_condition
from orchestrator.terminal.console import Console
from orchestrator.terminal.live_view import LiveView, utc_now
from orchestrator.terminal.run_view import RunView
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout

POLL_S = 0.25


def watch(
    run_id: RunArgument,
    data_dir: DataDir = "data",
    broker: RunBroker = None,
    once: Annotated[bool, typer.Option("--once", help="Print the run as it is now, and end.")] = False,
) -> None:
    """Watch a run live: phases, windows, devices, failures.

    Ends with the run. Ctrl-C ends only the view; the run goes on.

    \b
    Example:
      orchestrator watch live_candidate_20260102_030405
    """
    console = Console()
    try:
        follower, layout = follow(run_id, data_dir, broker)
        with LiveView(console, run_id) as live_view:
            _catch_up(follower, live_view, quiet=once or console.is_terminal)
            expect_plan(live_view.state, layout)
            take_condition(live_view.state, layout)
            if not once:
                live_view.show()
                _watch(follower, live_view, layout)
    except KeyboardInterrupt:
        console.write(f"run {run_id} goes on without this window")
        return
    console.print(RunView(live_view.state, utc_now, whole=True))
    if (condition := condition_of(layout)) is not None:
        print_end(console, condition, run_id, data_dir)
    if follower.missed:
        console.write(f"{follower.missed} events are missing: neither the broker nor the log has them")


def _catch_up(follower: EventFollower, live_view: LiveView, *, quiet: bool) -> None:
    """Fold what has happened so far; unless `quiet`, print it in lines."""
    if not quiet:
        live_view.show()
    while events := follower.poll():
        for event in events:
            live_view.take(event)
    if follower.refused:
        live_view.note(f"the broker {follower.refused}; only the event log is read")


def _watch(follower: EventFollower, live_view: LiveView, layout: RunLayout | None) -> None:
    """Fold events until the run has ended, or its process is gone."""
    last_event, phases = time.monotonic(), len(live_view.state.phases)
    while not live_view.state.over:
        before, refused = live_view.state.status, follower.refused
        events = follower.poll(POLL_S)
        if follower.refused and not refused:
            live_view.note(f"the broker {follower.refused}; only the event log is read")
        for event in events:
            live_view.take(event)
        if events:
            last_event = time.monotonic()
            if len(live_view.state.phases) != phases:
                phases = len(live_view.state.phases)
                expect_plan(live_view.state, layout)
        elif layout is not None and time.monotonic() - last_event > SILENT_S:
            take_condition(live_view.state, layout, silent=True)
            last_event = time.monotonic()
        if events and before == RunStatus.WAITING:
            take_condition(live_view.state, layout)
        now = live_view.state.status
        if now != before and RunStatus.WAITING in (now, before) and not live_view.state.over:
            live_view.note(f"waiting: {live_view.state.message}" if now == RunStatus.WAITING else "the run goes on")
        if not follower.live:
            time.sleep(POLL_S)
