"""What a run looks like, folded from its events alone: the same on every screen, live, afterwards or replayed.

Events may come late or twice: a piece of work never goes back from how it ended to an attempt that began before that.
"""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase, RunStatus
from schemas.contract.task import Metric, Role
from schemas.contract.window import PANEL, Window

NOT_BEGUN = "not begun"
RATE_OVER = 200
RATE_SPAN = timedelta(seconds=60)
KEPT_FAILURES, KEPT_LINES = 100, 500

TEACHER_TYPES = {EventType(f"teacher_window_{end}") for end in ("start", "success", "skip", "fail")}
STUDENT_TYPES = {EventType(f"student_window_{end}") for end in ("start", "success", "skip", "fail")}
WINDOW_TYPES = TEACHER_TYPES | STUDENT_TYPES
ROLE_OF = {phase: role for role, phase in WINDOW_PHASES.items()}
ENDED = (EventStatus.SUCCESS, EventStatus.SKIPPED, EventStatus.FAILED)


class Stage(StrEnum):
    """How far a symbol's window is, teacher and student together."""

    WAITING = "waiting"
    TEACHING = "teaching"
    TAUGHT = "taught"
    STUDYING = "studying"
    TRAINED = "trained"
    SKIPPED = "skipped"
    FAILED = "failed"


RUNNING_STAGES = (Stage.TEACHING, Stage.STUDYING)


@dataclass(slots=True)
class Piece:
    """A window's teacher or student, as its newest event says. Durations are seconds."""

    status: EventStatus
    device: str | None
    attempt: int
    changed: datetime
    duration_s: float | None = None
    message: str = ""
    metrics: dict[str, Metric] = field(default_factory=dict)


@dataclass(slots=True)
class Cell:
    """One symbol's window."""

    symbol: str
    label: str
    pieces: dict[Role, Piece] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The window's first day, ISO."""
        return self.label.removeprefix(f"{self.symbol}_")[:10]

    @property
    def stage(self) -> Stage:
        """How far the window has come: its student's stage where it has one, else its teacher's."""
        teacher, student = self.pieces.get(Role.TEACHER), self.pieces.get(Role.STUDENT)
        if student is not None:
            return _ENDS.get(student.status, Stage.STUDYING)
        if teacher is None:
            return Stage.WAITING
        if teacher.status is EventStatus.SUCCESS:
            return Stage.TRAINED if self.symbol == PANEL else Stage.TAUGHT
        return _ENDS.get(teacher.status, Stage.TEACHING)

    @property
    def newest(self) -> Piece | None:
        """What says last how it is."""
        return self.pieces.get(Role.STUDENT) or self.pieces.get(Role.TEACHER)


_ENDS = {
    EventStatus.SUCCESS: Stage.TRAINED,
    EventStatus.SKIPPED: Stage.SKIPPED,
    EventStatus.FAILED: Stage.FAILED,
}


@dataclass(slots=True)
class PhaseState:
    """How far a phase is. `ends` are the times of the last pieces of work that a device ended.

    `took_s` is what a phase that ended took in all processes that worked on it.
    """

    name: Phase
    started: datetime
    total: int = 1
    done: int = 0
    failed: int = 0
    skipped: int = 0
    ended: datetime | None = None
    took_s: float | None = None
    status: EventStatus = EventStatus.IN_PROGRESS
    message: str = ""
    ends: deque[datetime] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def elapsed_s(self, now: datetime) -> float:
        """Seconds from the phase's start to its end, or to `now` while it runs."""
        return self.took_s if self.took_s is not None else ((self.ended or now) - self.started).total_seconds()

    def remaining_s(self, now: datetime) -> float | None:
        """Seconds left at the rate of the last two hundred pieces; None before there is a rate, or at the end."""
        left = self.total - self.done
        if self.ended is not None or left <= 0 or not self.ends:
            return None
        first = self.ends[0] if len(self.ends) == RATE_OVER else self.started
        return max((now - first).total_seconds(), 0.0) / len(self.ends) * left


@dataclass(slots=True)
class Span:
    """What a device did from when to when."""

    device: str
    role: Role
    label: str
    began: datetime
    ended: datetime
    status: EventStatus


@dataclass(slots=True)
class DeviceState:
    """A device as its heartbeats and its windows' events say. `use` is 0 to 1; `uses` are time, use and memory."""

    name: str
    seen: datetime
    standing: str = "here"
    slots: int = 0
    model: str = ""
    use: float | None = None
    memory_mib: float | None = None
    memory_total_mib: float | None = None
    doing: tuple[str, ...] = ()
    running: dict[tuple[Role, str], datetime] = field(default_factory=dict)
    ends: deque[datetime] = field(default_factory=lambda: deque(maxlen=RATE_OVER))
    last: Span | None = None
    done: int = 0
    uses: list[tuple[datetime, float, float | None]] = field(default_factory=list)

    @property
    def gone(self) -> bool:
        """Whether the device is lost or has signed off."""
        return self.standing in ("lost", "left")

    def rate(self, now: datetime) -> float:
        """Pieces of work a second over the last minute."""
        return _rate(self.ends, now)


@dataclass(slots=True)
class Failure:
    """Something that went wrong, whether or not it was tried again."""

    at: datetime
    what: str
    reason: str


@dataclass(slots=True)
class SymbolState:
    """A symbol's cells by their windows' first days, how many are at which stage, and when one changed last."""

    cells: dict[str, Cell] = field(default_factory=dict)
    stages: Counter[Stage] = field(default_factory=Counter)
    changed: datetime | None = None


class RunState:
    """Everything that a screen shows of one run."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.began: datetime | None = None
        self.ended: datetime | None = None
        self.heard: datetime | None = None
        self.status = NOT_BEGUN
        self.message = ""
        self.recommendation = ""
        self.phases: dict[Phase, PhaseState] = {}
        self.cells: dict[str, Cell] = {}
        self.symbols: dict[str, SymbolState] = {}
        self.counts: dict[Role, Counter[EventStatus]] = {role: Counter() for role in WINDOW_PHASES}
        self.devices: dict[str, DeviceState] = {}
        self.spans: list[Span] = []
        self.failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        self.lines: deque[TrainingEvent] = deque(maxlen=KEPT_LINES)
        self._session: datetime | None = None
        self._earlier = timedelta()

    def expect(self, windows: Iterable[Window]) -> None:
        """Lay out cells for windows of which no event has told yet."""
        for window in windows:
            self._cell(window.symbol, window.label)

    def take(self, event: TrainingEvent) -> None:
        """Fold one event in."""
        kind, before = event.event_type, self.heard
        self.heard = max(before or event.timestamp, event.timestamp)
        if kind is not EventType.DEVICE_HEARTBEAT or event.message:
            self.lines.append(event)
        if kind in WINDOW_TYPES:
            self._take_window(event, Role.TEACHER if kind in TEACHER_TYPES else Role.STUDENT)
        elif kind is EventType.DEVICE_HEARTBEAT:
            self._take_heartbeat(event)
        elif kind is EventType.WINDOW_RETRY:
            self._take_retry(event)
        elif event.phase is not None:
            self._take_phase(event)
        elif kind is EventType.RUN_START:
            self._begin(event, before)
        elif kind is EventType.RUN_END:
            self._end(event)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen unless somebody resumes the run."""
        return self.status not in (NOT_BEGUN, RunStatus.RUNNING)

    def break_off(self, status: str) -> None:
        """The run's process is gone without a word, as somebody found: nothing is running any more."""
        self.status = status
        for phase in self.phases.values():
            if phase.ended is None:
                phase.ended, phase.status = self.heard, EventStatus.FAILED
        self._close_session(self.heard)

    def clock(self, now: datetime) -> datetime:
        """The time for which the run is shown: of one that is over, its last event's."""
        return self.heard if self.over and self.heard is not None else now

    def elapsed_s(self, now: datetime) -> float:
        """Seconds for which somebody ran it; the time between a kill and a resume is not counted."""
        return (self._earlier + (now - self._session if self._session else timedelta())).total_seconds()

    def throughput(self, now: datetime) -> float:
        """Pieces of work a second over the last minute, all devices together."""
        return sum(device.rate(now) for device in self.devices.values())

    def remaining_s(self, now: datetime) -> float | None:
        """Seconds until the training that has begun is done, at the present rate."""
        left = [phase.remaining_s(now) for phase in self.phases.values()]
        return max((each for each in left if each is not None), default=None)

    def _begin(self, event: TrainingEvent, before: datetime | None) -> None:
        """A run begins, or goes on: what failed or was under way is open again."""
        self._close_session(before)
        self.began, self._session = self.began or event.timestamp, event.timestamp
        self.ended, self.status, self.message = None, RunStatus.RUNNING, ""
        self._open_again(EventStatus.FAILED)

    def _end(self, event: TrainingEvent) -> None:
        self.ended, self.message = event.timestamp, event.message
        self.status = str(event.metrics.get("status") or event.status)
        self.recommendation = str(event.metrics.get("recommendation") or "")
        self._close_session(event.timestamp)

    def _close_session(self, at: datetime | None) -> None:
        """The process that ran it ended then; what it had under way is nobody's."""
        if self._session is not None and at is not None:
            self._earlier += at - self._session
        self._session = None
        self._open_again(EventStatus.IN_PROGRESS)
        for device in self.devices.values():
            device.running.clear()
            device.doing = ()

    def _open_again(self, status: EventStatus) -> None:
        for cell in self.cells.values():
            for role, piece in list(cell.pieces.items()):
                if piece.status is status:
                    self._put(cell, role, None)

    def _take_phase(self, event: TrainingEvent) -> None:
        assert event.phase is not None
        if event.event_type is EventType.PHASE_START:
            phase = PhaseState(event.phase, event.timestamp, total=int(event.metrics.get("planned") or 1))
            self.phases[event.phase] = phase
            self._count(event.phase)
            return
        known = self.phases.get(event.phase)
        if known is None:
            return
        if event.event_type is EventType.PHASE_PROGRESS:
            known.done = int(event.metrics.get("done") or 0)
            known.failed = int(event.metrics.get("failed") or 0)
            known.skipped = int(event.metrics.get("skipped") or 0)
            known.ends.append(event.timestamp)
        elif event.event_type is EventType.PHASE_END:
            known.ended, known.status, known.message = event.timestamp, event.status, event.message
            known.took_s = event.duration_seconds
            if event.status is EventStatus.SUCCESS and known.total == 1:
                known.done = 1
            if event.status is EventStatus.FAILED:
                self.failures.append(Failure(event.timestamp, event.phase, event.message))

    def _take_window(self, event: TrainingEvent, role: Role) -> None:
        label, attempt = event.window_label or "", event.attempt or 0
        cell = self._cell(event.symbol or "", label)
        before = cell.pieces.get(role)
        if before is not None:
            late = before.status in ENDED and event.status not in ENDED and attempt <= before.attempt
            again = before.status in ENDED and event.status in ENDED and attempt == before.attempt
            if late or again or attempt < before.attempt:
                return
            self._leave(before.device, role, label)
        piece = Piece(
            event.status, event.device, attempt, event.timestamp, event.duration_seconds, event.message, event.metrics
        )
        self._put(cell, role, piece)
        if attempt:
            self.symbols[cell.symbol].changed = event.timestamp
        self._count(WINDOW_PHASES[role])
        device = self._device(event) if event.device and attempt else None
        if event.status in ENDED and device is not None:
            self._ended(event, role, device)
        elif device is not None:
            device.running[role, label] = event.timestamp
        if event.status is EventStatus.FAILED:
            self.failures.append(Failure(event.timestamp, f"{role} {label}", event.message))

    def _cell(self, symbol: str, label: str) -> Cell:
        """A window's cell, laid out if it is new."""
        cell = self.cells.get(label)
        if cell is None:
            cell = self.cells[label] = Cell(symbol, label)
            own = self.symbols.setdefault(symbol, SymbolState())
            own.cells[cell.start] = cell
            own.stages[cell.stage] += 1
        return cell

    def _put(self, cell: Cell, role: Role, piece: Piece | None) -> None:
        """Say of a cell's teacher or student what it is now, or that it is nothing yet; all counts follow."""
        stages, before = self.symbols[cell.symbol].stages, cell.pieces.get(role)
        stages[cell.stage] -= 1
        if before is not None:
            self.counts[role][before.status] -= 1
            del cell.pieces[role]
        if piece is not None:
            self.counts[role][piece.status] += 1
            cell.pieces[role] = piece
        stages[cell.stage] += 1

    def _ended(self, event: TrainingEvent, role: Role, device: DeviceState) -> None:
        began = event.timestamp - timedelta(seconds=event.duration_seconds or 0.0)
        device.last = Span(device.name, role, event.window_label or "", began, event.timestamp, event.status)
        self.spans.append(device.last)
        device.running.pop((role, event.window_label or ""), None)
        device.done += 1
        device.ends.append(event.timestamp)
        if phase := self.phases.get(WINDOW_PHASES[role]):
            phase.ends.append(event.timestamp)

    def _leave(self, device: str | None, role: Role, label: str) -> None:
        if device in self.devices:
            self.devices[device].running.pop((role, label), None)

    def _count(self, phase: Phase) -> None:
        """Bring a training phase's numbers in line with its windows'."""
        known, role = self.phases.get(phase), ROLE_OF.get(phase)
        if known is not None and role is not None:
            counts = self.counts[role]
            known.done = sum(counts[status] for status in ENDED)
            known.failed, known.skipped = counts[EventStatus.FAILED], counts[EventStatus.SKIPPED]

    def _take_retry(self, event: TrainingEvent) -> None:
        """An attempt that is made again, or, in progress, has been taken over."""
        if event.status is not EventStatus.FAILED:
            return
        what = f"{event.metrics.get('role')} {event.metrics.get('name')}"
        reason = f"attempt {event.attempt} on {event.device} {event.message}"
        self.failures.append(Failure(event.timestamp, what, reason))
        role = ROLE_OF.get(event.phase) if event.phase is not None else None
        cell = self.cells.get(event.window_label or "")
        piece = cell.pieces.get(role) if cell is not None and role is not None else None
        if cell is not None and role is not None and piece is not None and piece.attempt == event.attempt:
            if piece.device is not None and piece.status is EventStatus.IN_PROGRESS:
                self.spans.append(
                    Span(piece.device, role, cell.label, piece.changed, event.timestamp, EventStatus.FAILED)
                )
            self._leave(piece.device, role, cell.label)
            self._put(cell, role, None)

    def _take_heartbeat(self, event: TrainingEvent) -> None:
        if not event.device:
            return
        device, metrics = self._device(event), event.metrics
        device.standing = str(metrics.get("standing") or "here")
        device.slots = int(metrics.get("slots") or device.slots)
        device.model = str(metrics.get("model") or device.model)
        device.use, device.memory_mib = _number(metrics.get("utilisation")), _number(metrics.get("memory_mib"))
        device.memory_total_mib = _number(metrics.get("memory_total_mib"))
        if device.use is not None:
            device.uses.append((event.timestamp, device.use, device.memory_mib))
        device.doing = tuple(each for each in str(metrics.get("running") or "").split(", ") if each)
        if device.gone:
            device.running.clear()
            device.doing = ()
        if event.status is EventStatus.FAILED:
            self.failures.append(Failure(event.timestamp, f"device {device.name}", event.message))

    def _device(self, event: TrainingEvent) -> DeviceState:
        name = event.device or ""
        device = self.devices.setdefault(name, DeviceState(name, event.timestamp))
        device.seen = max(device.seen, event.timestamp)
        return device


def _rate(ends: deque[datetime], now: datetime) -> float:
    recent = [end for end in ends if now - end <= RATE_SPAN]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max((now - recent[0]).total_seconds(), 1e-9)


def _number(value: Metric) -> float | None:
    return float(value) if isinstance(value, int | float) else None
