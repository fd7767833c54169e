"""The state of a run follows from its events, in any order and however often they arrive."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events.run_fold import ENDED, FOLDS, fold
from orchestrator.events.run_state import KEPT_SPANS, KEPT_USES, RunState, Stage
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase
from schemas.contract.task import Metric, Role
from tests.strategies import examples

RUN = "r"
START = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = ("A_2020-01-01_to_2020-07-01", "A_2020-07-01_to_2021-01-01", "B_2020-01-01_to_2020-07-01")
SUFFIX = {
    EventStatus.IN_PROGRESS: "start", EventStatus.SUCCESS: "success", EventStatus.SKIPPED: "skip",
    EventStatus.FAILED: "fail",
}  # fmt: skip


def window(
    label: str, role: Role, status: EventStatus, attempt: int = 1, device: str = "d0", second: float = 0.0,
    symbol: str | None = None, message: str = "",
) -> TrainingEvent:  # fmt: skip
    """An event of a window's teacher or student."""
    return TrainingEvent(
        timestamp=START + timedelta(seconds=second), run_id=RUN,
        event_type=EventType(f"{role}_window_{SUFFIX[status]}"),
        phase=WINDOW_PHASES[role], symbol=symbol or label[0], window_label=label, status=status, device=device,
        attempt=attempt, duration_seconds=0.5 if status in ENDED else None, message=message,
    )  # fmt: skip


def happens(event_type: EventType, status: EventStatus, second: float = 0.0, **more: object) -> TrainingEvent:
    """An event of another type."""
    at = START + timedelta(seconds=second)
    return TrainingEvent.model_validate(
        {"timestamp": at, "run_id": RUN, "event_type": event_type, "status": status} | more
    )


def phase_start(phase: Phase, planned: int) -> TrainingEvent:
    """A phase begins."""
    return happens(EventType.PHASE_START, EventStatus.IN_PROGRESS, phase=phase, metrics={"planned": planned})


def beat(device: str, standing: str, second: float = 0.0, **metrics: Metric) -> TrainingEvent:
    """A heartbeat."""
    status = EventStatus.FAILED if standing == "lost" else EventStatus.IN_PROGRESS
    return happens(
        EventType.DEVICE_HEARTBEAT, status, second, device=device,
        message="" if standing == "here" else f"is {standing}", metrics={"standing": standing, **metrics},
    )  # fmt: skip


def state_of(*events: TrainingEvent) -> RunState:
    """The state after these events."""
    state = RunState(RUN)
    for event in events:
        fold(state, event)
    return state


def test_a_window_goes_from_waiting_to_trained() -> None:
    """Each event of teacher and student moves the window's cell one stage on."""
    label, stages = LABELS[0], []
    state = RunState(RUN)
    for role in (Role.TEACHER, Role.STUDENT):
        for status in (EventStatus.IN_PROGRESS, EventStatus.SUCCESS):
            fold(state, window(label, role, status))
            stages.append(state.cells[label].stage)
    assert stages == [Stage.TEACHING, Stage.TAUGHT, Stage.STUDYING, Stage.TRAINED]


def test_an_attempt_that_began_earlier_changes_nothing() -> None:
    """A start that arrives after the end, as in the run's own process, reopens nothing."""
    state = state_of(
        window(LABELS[0], Role.TEACHER, EventStatus.SUCCESS, attempt=2),
        window(LABELS[0], Role.TEACHER, EventStatus.IN_PROGRESS, attempt=2),
        window(LABELS[0], Role.TEACHER, EventStatus.IN_PROGRESS, attempt=1),
    )
    assert state.cells[LABELS[0]].stage is Stage.TAUGHT
    assert not state.devices["d0"].running


@given(st.data())
@examples(200)
def test_the_counts_are_those_of_the_cells(data: st.DataObject) -> None:
    """In any order of events, a phase's numbers are those of its windows, and a device runs what is open."""
    pieces = st.builds(
        window, st.sampled_from(LABELS), st.sampled_from(tuple(WINDOW_PHASES)), st.sampled_from(tuple(SUFFIX)),
        st.integers(1, 3), st.sampled_from(("d0", "d1")),
    )  # fmt: skip
    others = st.sampled_from(
        (
            beat("d0", "lost"), beat("d1", "here"), happens(EventType.RUN_START, EventStatus.IN_PROGRESS),
            happens(
                EventType.WINDOW_RETRY, EventStatus.FAILED, phase=Phase.TEACHER_TRAINING, window_label=LABELS[0],
                attempt=1,
            ),
        )
    )  # fmt: skip
    state = state_of(*(phase_start(phase, len(LABELS)) for phase in WINDOW_PHASES.values()))
    for event in data.draw(st.lists(pieces | others, max_size=30)):
        fold(state, event)
    for role in WINDOW_PHASES:
        held = [cell.pieces[role].status for cell in state.cells.values() if role in cell.pieces]
        assert state.counts[role].total() == len(held)
        assert all(state.counts[role][status] == held.count(status) for status in EventStatus)
    for symbol in state.symbols.values():
        assert +symbol.stages == Counter(cell.stage for cell in symbol.cells.values())
    running = {piece for device in state.devices.values() for piece in device.running}
    opened = {
        (role, cell.label)
        for cell in state.cells.values()
        for role, piece in cell.pieces.items()
        if piece.status is EventStatus.IN_PROGRESS
    }
    assert running <= opened


def test_a_run_that_goes_on_opens_what_failed() -> None:
    """After a resume, failed and open windows wait again; trained ones stay trained."""
    state = state_of(
        phase_start(Phase.TEACHER_TRAINING, 3),
        window(LABELS[0], Role.TEACHER, EventStatus.SUCCESS),
        window(LABELS[1], Role.TEACHER, EventStatus.FAILED, message="no memory"),
        window(LABELS[2], Role.TEACHER, EventStatus.IN_PROGRESS),
        happens(EventType.RUN_END, EventStatus.FAILED, message="broker gone", metrics={"status": "failed"}),
    )
    assert (state.status, state.message) == ("failed", "broker gone")
    fold(state, happens(EventType.RUN_START, EventStatus.IN_PROGRESS))
    fold(state, phase_start(Phase.TEACHER_TRAINING, 3))
    assert [state.cells[label].stage for label in LABELS] == [Stage.TAUGHT, Stage.WAITING, Stage.WAITING]
    assert state.phases[Phase.TEACHER_TRAINING].done == 1
    assert (state.status, state.ended) == ("running", None)
    assert [failure.reason for failure in state.failures] == ["no memory"]


def test_a_lost_device_runs_nothing_and_is_a_failure() -> None:
    """A device that stops answering is lost, its running work is open again, and the failures list it."""
    state = state_of(
        beat("d0", "here", slots=2, utilisation=0.5),
        window(LABELS[0], Role.TEACHER, EventStatus.IN_PROGRESS),
        beat("d0", "lost"),
    )
    device = state.devices["d0"]
    assert (device.standing, device.slots, device.running, device.use) == ("lost", 2, {}, None)
    assert [(failure.what, failure.reason) for failure in state.failures] == [("device d0", "is lost")]


def test_an_attempt_that_is_made_again_moves_to_its_new_device() -> None:
    """A lost attempt leaves its device, shows there as a failed span, and runs where it was sent next."""
    state = state_of(
        window(LABELS[0], Role.TEACHER, EventStatus.IN_PROGRESS, device="d0"),
        happens(
            EventType.WINDOW_RETRY, EventStatus.FAILED, 3.0, phase=Phase.TEACHER_TRAINING, window_label=LABELS[0],
            attempt=1, device="d0", message="process lost: it fell silent",
            metrics={"role": "teacher", "name": LABELS[0]},
        ),
        window(LABELS[0], Role.TEACHER, EventStatus.IN_PROGRESS, attempt=2, device="d1", second=4.0),
    )  # fmt: skip
    assert not state.devices["d0"].running
    assert list(state.devices["d1"].running) == [(Role.TEACHER, LABELS[0])]
    assert [(span.device, span.status) for span in state.spans] == [("d0", EventStatus.FAILED)]
    assert state.failures[0].reason == "attempt 1 on d0: process lost: it fell silent"


def test_the_time_left_follows_the_rate() -> None:
    """Ten pieces in five seconds and thirty left make fifteen seconds; skipped windows do not count for the rate."""
    state = state_of(phase_start(Phase.TEACHER_TRAINING, 45))
    for number in range(5):
        fold(state, window(f"S{number}", Role.TEACHER, EventStatus.SKIPPED, attempt=0))
    for number in range(10):
        fold(state, window(f"W{number}", Role.TEACHER, EventStatus.SUCCESS, second=0.5 * (number + 1)))
    phase = state.phases[Phase.TEACHER_TRAINING]
    assert (phase.done, phase.skipped) == (15, 5)
    assert phase.remaining_s(START + timedelta(seconds=5)) == 15.0
    assert state.throughput(START + timedelta(seconds=5)) == 2.0


def test_a_state_does_not_grow_with_what_a_terminal_does_not_show() -> None:
    """The last spans are kept, a device's use the thinner the longer it is, and no metrics where none are shown."""
    state = RunState(RUN, keeps_metrics=False)
    for number in range(2 * KEPT_SPANS):
        done = window(f"W{number}", Role.TEACHER, EventStatus.SUCCESS, second=number)
        fold(state, done.model_copy(update={"metrics": {"rows": 7}}))
        fold(state, beat("d0", "here", second=number, utilisation=number / (2 * KEPT_SPANS)))
    assert len(state.spans) == KEPT_SPANS and state.spans[-1].label == f"W{2 * KEPT_SPANS - 1}"
    uses = state.devices["d0"].uses
    steps = {later[0] - earlier[0] for earlier, later in pairwise(uses)}
    assert KEPT_USES // 2 <= len(uses) <= KEPT_USES and len(steps) == 1
    assert uses[0][0] == START and uses[-1][0] > START + timedelta(seconds=2 * KEPT_SPANS - 16)
    assert all(not piece.metrics for cell in state.cells.values() for piece in cell.pieces.values())


def test_every_event_type_is_folded_or_only_listed() -> None:
    """A type without a fold changes nothing but the list of events and the time of the last one."""
    for kind in set(EventType) - set(FOLDS):
        state, empty = RunState(RUN), RunState(RUN)
        event = happens(kind, EventStatus.SUCCESS)
        fold(state, event)
        assert list(state.lines) == [event] and state.last_event == event.timestamp
        state.lines.clear()
        state.last_event = None
        assert state == empty
