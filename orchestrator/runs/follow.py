"""Follow a run from any process that can read its files or its broker; nothing is written."""

from orchestrator.events.event_follower import EventFollower
from orchestrator.events.run_fold import break_off
from orchestrator.events.run_state import RunState
from orchestrator.ledger.ledger_reader import read_snapshot
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import check_run_id
from schemas.contract.run import RunStatus
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
        raise RequestError(
            f"run {run_id} was started with --no-telemetry and has no events; see `orchestrator status {run_id}`"
        )
    return EventFollower(run_id, telemetry_path(manifest.config, run_id), broker), layout


def break_off_if_gone(state: RunState, layout: RunLayout | None, *, silent: bool = False) -> None:
    """Mark a run as broken off if its events have no end and its process is gone.

    Why a run waits is taken from its ledger. If no event comes for a while, the ledger's status is used even if it is
    later than the events.
    """
    if layout is not None and not state.over and layout.ledger.is_file():
        snapshot = read_snapshot(layout.ledger)
        state.waiting, status = snapshot.waiting, snapshot.status
        if status is RunStatus.INTERRUPTED or (silent and status is not RunStatus.RUNNING):
            break_off(state, status)


def expect_plan(state: RunState, layout: RunLayout | None) -> None:
    """Add the windows of the run's plan to the state, once the run has a plan."""
    if layout is not None:
        state.expect(each.window for each in read_manifest(layout).plan)


def _has_events(broker: str, run_id: str) -> bool:
    from orchestrator.broker import embedded

    embedded.check(broker)
    with connect(broker) as redis:
        return bool(redis.exists(events_stream(run_id)))
