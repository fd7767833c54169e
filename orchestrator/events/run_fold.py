"""Fold the events of a run into its state: the same on every screen, live, afterwards or replayed.

Events may arrive late or twice: a piece of work never returns from its end to an attempt that began before. A new
event type is declared in `schemas.contract.event` and, if a screen shows it, folded by one function here.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from orchestrator.events.run_state import RELEASED, DeviceState, Failure, PhaseState, Piece, RunState, Span
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase, RunStatus
from schemas.contract.task import Metric, Role

Fold = Callable[[RunState, TrainingEvent], None]

ENDED = (EventStatus.SUCCESS, EventStatus.SKIPPED, EventStatus.FAILED)
WINDOW_ENDS = ("start", "success", "skip", "fail")
TEACHER_TYPES = {EventType(f"teacher_window_{end}") for end in WINDOW_ENDS}
STUDENT_TYPES = {EventType(f"student_window_{end}") for end in WINDOW_ENDS}
WINDOW_TYPES = TEACHER_TYPES | STUDENT_TYPES
ROLE_OF = {phase: role for role, phase in WINDOW_PHASES.items()}

FOLDS: dict[EventType, Fold] = {}


def folds(*types: EventType) -> Callable[[Fold], Fold]:
    """Register a function as the fold of these event types."""

    def register(function: Fold) -> Fold:
        FOLDS.update(dict.fromkeys(types, function))
        return function

    return register


def fold(state: RunState, event: TrainingEvent) -> None:
    """Fold one event into `state`. One whose type has no fold is only listed among the events."""
    if event.event_type is not EventType.DEVICE_HEARTBEAT or event.message:
        state.lines.append(event)
    if (function := FOLDS.get(event.event_type)) is not None:
        # Any program can write to the stream. What does not fit is listed, and changes nothing more.
        with suppress(ArithmeticError, LookupError, TypeError, ValueError):
            function(state, event)
    state.last_event = max(state.last_event or event.timestamp, event.timestamp)


def notice(event: TrainingEvent) -> str:
    """The sentence that a terminal prints for an event; empty for most."""
    if event.event_type is EventType.DEVICE_HEARTBEAT and event.message:
        return f"device {event.device} {event.message}" if event.device else event.message
    if event.event_type is EventType.WINDOW_RETRY:
        what = f"{event.metrics.get('role')} {event.metrics.get('name')}"
        if event.status is EventStatus.FAILED:
            return f"{what}: attempt {event.attempt} on {event.device}: {event.message}"
        return f"{what}: taken over by {event.device}, attempt {event.attempt}"
    return ""


def break_off(state: RunState, status: RunStatus, reason: str = "") -> None:
    """Mark a run whose process is gone without an end event: nothing is running any more."""
    state.status, state.message = status, reason
    ended = EventStatus.SUCCESS if status is RunStatus.READY else EventStatus(status)
    for phase in state.phases.values():
        if phase.ended is None:
            phase.ended, phase.status = state.last_event, ended
    _close_session(state, state.last_event)


@folds(EventType.RUN_START)
def _begin(state: RunState, event: TrainingEvent) -> None:
    """A run begins or is resumed: what failed is open again."""
    _close_session(state, state.last_event)
    state.began, state.session = state.began or event.timestamp, event.timestamp
    state.ended, state.status, state.message = None, RunStatus.RUNNING, ""
    _open_again(state, EventStatus.FAILED)


@folds(EventType.RUN_END)
def _end(state: RunState, event: TrainingEvent) -> None:
    state.ended, state.message = event.timestamp, event.message
    state.status = str(event.metrics.get("status") or event.status)
    state.recommendation = str(event.metrics.get("recommendation") or "")
    _close_session(state, event.timestamp)


@folds(EventType.PHASE_START)
def _start_phase(state: RunState, event: TrainingEvent) -> None:
    if event.phase is not None:
        total = int(event.metrics.get("planned") or 1)
        state.phases[event.phase] = PhaseState(event.phase, event.timestamp, total=total)
        _count(state, event.phase)


@folds(EventType.PHASE_PROGRESS)
def _advance_phase(state: RunState, event: TrainingEvent) -> None:
    if event.phase is not None and (phase := state.phases.get(event.phase)) is not None:
        phase.done = int(event.metrics.get("done") or 0)
        phase.failed = int(event.metrics.get("failed") or 0)
        phase.skipped = int(event.metrics.get("skipped") or 0)
        phase.ends.append(event.timestamp)


@folds(EventType.PHASE_END)
def _end_phase(state: RunState, event: TrainingEvent) -> None:
    if event.phase is None or (phase := state.phases.get(event.phase)) is None:
        return
    phase.ended, phase.status, phase.message = event.timestamp, event.status, event.message
    phase.took_s = event.duration_seconds
    if event.status is EventStatus.SUCCESS and phase.total == 1:
        phase.done = 1
    if event.status is EventStatus.FAILED:
        state.failures.append(Failure(event.timestamp, event.phase, event.message))


@folds(*WINDOW_TYPES)
def _advance_window(state: RunState, event: TrainingEvent) -> None:
    role = Role.TEACHER if event.event_type in TEACHER_TYPES else Role.STUDENT
    label, attempt = event.window_label or "", event.attempt or 0
    cell = state.cell(event.symbol or "", label)
    before = cell.pieces.get(role)
    if before is not None:
        late = before.status in ENDED and event.status not in ENDED and attempt <= before.attempt
        again = before.status in ENDED and event.status in ENDED and attempt == before.attempt
        if late or again or attempt < before.attempt:
            return
        _leave(state, before.device, role, label)
    metrics = event.metrics if state.keeps_metrics else {}
    piece = Piece(event.status, event.device, attempt, event.timestamp, event.duration_seconds, event.message, metrics)
    state.put(cell, role, piece)
    if attempt:
        state.symbols[cell.symbol].changed = event.timestamp
    _count(state, WINDOW_PHASES[role])
    device = _device(state, event) if event.device and attempt else None
    if event.status in ENDED and device is not None:
        _end_work(state, event, role, device)
    elif device is not None:
        device.running[role, label] = event.timestamp
    if event.status is EventStatus.FAILED:
        state.failures.append(Failure(event.timestamp, f"{role} {label}", event.message))


@folds(EventType.WINDOW_RETRY)
def _retry(state: RunState, event: TrainingEvent) -> None:
    """An attempt that is made again (failed), or was taken over (in progress)."""
    if event.status is not EventStatus.FAILED:
        return
    what = f"{event.metrics.get('role')} {event.metrics.get('name')}"
    reason = f"attempt {event.attempt} on {event.device}: {event.message}"
    state.failures.append(Failure(event.timestamp, what, reason))
    role = ROLE_OF.get(event.phase) if event.phase is not None else None
    cell = state.cells.get(event.window_label or "")
    piece = cell.pieces.get(role) if cell is not None and role is not None else None
    if cell is not None and role is not None and piece is not None and piece.attempt == event.attempt:
        if piece.device is not None and piece.status is EventStatus.IN_PROGRESS:
            state.spans.append(Span(piece.device, role, cell.label, piece.changed, event.timestamp, EventStatus.FAILED))
        _leave(state, piece.device, role, cell.label)
        state.put(cell, role, None)


@folds(EventType.DEVICE_HEARTBEAT)
def _beat(state: RunState, event: TrainingEvent) -> None:
    if not event.device:
        return
    device, metrics = _device(state, event), event.metrics
    device.standing = str(metrics.get("standing") or "here")
    device.slots = int(metrics.get("slots") or device.slots)
    device.model = str(metrics.get("model") or device.model)
    device.use, device.memory_mib = _number(metrics.get("utilisation")), _number(metrics.get("memory_mib"))
    device.memory_total_mib = _number(metrics.get("memory_total_mib"))
    if device.use is not None:
        device.note_use(event.timestamp, device.use, device.memory_mib)
    device.doing = tuple(each for each in str(metrics.get("running") or "").split(", ") if each)
    if device.gone:
        device.running.clear()
        device.doing = ()
    if event.status is EventStatus.FAILED:
        state.failures.append(Failure(event.timestamp, f"device {device.name}", event.message))


def _close_session(state: RunState, at: datetime | None) -> None:
    """End the session of the process that ran the run; what it had under way is open again."""
    if state.session is not None and at is not None:
        state.earlier += at - state.session
    state.session = None
    _open_again(state, EventStatus.IN_PROGRESS)
    for device in state.devices.values():
        device.running.clear()
        device.doing = ()
        if not device.gone:
            device.standing = RELEASED


def _open_again(state: RunState, status: EventStatus) -> None:
    for cell in state.cells.values():
        for role, piece in list(cell.pieces.items()):
            if piece.status is status:
                state.put(cell, role, None)


def _end_work(state: RunState, event: TrainingEvent, role: Role, device: DeviceState) -> None:
    began = event.timestamp - timedelta(seconds=event.duration_seconds or 0.0)
    device.last = Span(device.name, role, event.window_label or "", began, event.timestamp, event.status)
    state.spans.append(device.last)
    device.running.pop((role, event.window_label or ""), None)
    device.done += 1
    device.ends.append(event.timestamp)
    if phase := state.phases.get(WINDOW_PHASES[role]):
        phase.ends.append(event.timestamp)


def _leave(state: RunState, device: str | None, role: Role, label: str) -> None:
    if device in state.devices:
        state.devices[device].running.pop((role, label), None)


def _count(state: RunState, phase: Phase) -> None:
    """Set a training phase's numbers to those of its windows."""
    known, role = state.phases.get(phase), ROLE_OF.get(phase)
    if known is not None and role is not None:
        counts = state.counts[role]
        known.done = sum(counts[status] for status in ENDED)
        known.failed, known.skipped = counts[EventStatus.FAILED], counts[EventStatus.SKIPPED]


def _device(state: RunState, event: TrainingEvent) -> DeviceState:
    name = event.device or ""
    device = state.devices.setdefault(name, DeviceState(name, event.timestamp))
    device.seen = max(device.seen, event.timestamp)
    return device


def _number(value: Metric) -> float | None:
    return float(value) if isinstance(value, int | float) else None
