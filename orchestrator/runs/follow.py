"""Follow a run from any process that can read its files or its broker; nothing is written."""

from contextlib import closing

from orchestrator.events.event_follower import EventFollower
from orchestrator.events.run_fold import break_off
from orchestrator.events.run_state import NOT_BEGUN, RunState
from orchestrator.ledger.connection import open_for_reading
from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger_reader import read_snapshot
from orchestrator.ledger.run_status import RunCondition, read_condition
from schemas.contract.command_line import command_line
from schemas.contract.errors import RequestError
from schemas.contract.event import WINDOW_PHASES
from schemas.contract.identifiers import check_run_id
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout, telemetry_path
from schemas.files.run_files import open_run, read_manifest
from schemas.redis.client import connect
from schemas.redis.keys import events_stream

# The log is a second behind, and a process that has released its run may still be writing the last line.
SILENT_S = 3.0


def follow(run_id: str, data_dir: str, broker: str | None) -> tuple[EventFollower, RunLayout | None]:
    """Return a follower of a run under `data_dir`, or of one that only `broker` has (then without a layout).

    RequestError if neither has it, or if it was started without telemetry.
    """
    on_broker = broker is not None and _has_events(broker, run_id)
    try:
        manifest, layout = open_run(data_dir, run_id)
    except RequestError:
        if not on_broker:
            raise
        return EventFollower(check_run_id(run_id), None, broker), None
    if not manifest.config.telemetry:
        step = command_line("status", run_id, data_dir=data_dir)
        raise RequestError(f"run {run_id} was started with --no-telemetry and has no events; see `{step}`")
    return EventFollower(run_id, telemetry_path(manifest.config, run_id), broker), layout


def condition_of(layout: RunLayout | None) -> RunCondition | None:
    """The condition of a run that has a ledger here; None for another one."""
    if layout is None or not layout.ledger.is_file():
        return None
    with closing(open_for_reading(layout.ledger)) as db:
        return read_condition(db)


def take_condition(state: RunState, layout: RunLayout | None, *, silent: bool = False) -> None:
    """Add to a run's state what only the ledger knows: what the run waits for, and that its process is gone.

    Why a run waits is taken from its ledger. If no event comes for a while, the ledger's status is used even if it is
    later than the events.
    """
    if state.over or (condition := condition_of(layout)) is None:
        return
    if condition.status.is_active:
        if state.status != NOT_BEGUN:
            state.status, state.message = condition.status, condition.reason
    elif silent or condition.died:
        break_off(state, condition.status, condition.reason)
        if layout is not None:
            _take_counts(state, layout)


def _take_counts(state: RunState, layout: RunLayout) -> None:
    """Take the counts of windows from the ledger: the last events of a process that was killed are in no log."""
    work = read_snapshot(layout.ledger).work
    for role, phase in WINDOW_PHASES.items():
        if (known := state.phases.get(phase)) is not None:
            known.done = sum(work.get((role, status), 0) for status in Status)
            known.failed, known.skipped = (work.get((role, each), 0) for each in (Status.FAILED, Status.SKIPPED))


def expect_plan(state: RunState, layout: RunLayout | None) -> None:
    """Add the windows of the run's plan to the state, once the run has a plan."""
    if layout is not None:
        state.expect(each.window for each in planned_of(read_manifest(layout), Role.STUDENT))


def _has_events(broker: str, run_id: str) -> bool:
    from orchestrator.broker import embedded

    embedded.check(broker)
    with connect(broker) as redis:
        return bool(redis.exists(events_stream(run_id)))
