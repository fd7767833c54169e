"""The state of a run as its events give it: phases, windows, devices and failures. `run_fold` folds the events in."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.contract.event import WINDOW_PHASES, EventStatus, TrainingEvent
from schemas.contract.run import Phase, RunStatus
from schemas.contract.task import Metric, Role
from schemas.contract.window import PANEL, Window

NOT_BEGUN = "not begun"
# Standing of a device after the end of the run that used it: the run's events no longer name it.
RELEASED = "released"
RATE_OVER = 200
RATE_SPAN = timedelta(seconds=60)
KEPT_FAILURES, KEPT_LINES = 100, 500
# Charts show the last part of a long run, and a device's whole use, the thinner the longer it is.
KEPT_SPANS, KEPT_USES = 600, 300


class Stage(StrEnum):
    """The stage of a symbol's window, teacher and student together."""

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
    """The newest attempt at a window's teacher or student. Durations are seconds."""

    status: EventStatus
    device: str | None
    attempt: int
    changed: datetime
    duration_s: float | None = None
    message: str = ""
    metrics: dict[str, Metric] = field(default_factory=dict)


@dataclass(slots=True)
class Cell:
    """One window of a symbol or of all; without a student of its own it is trained once its teacher is."""

    symbol: str
    label: str
    has_student: bool
    pieces: dict[Role, Piece] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """The window's first day, ISO."""
        return self.label.removeprefix(f"{self.symbol}_")[:10]

    @property
    def stage(self) -> Stage:
        """The stage, from the student's attempt or else the teacher's."""
        teacher, student = self.pieces.get(Role.TEACHER), self.pieces.get(Role.STUDENT)
        if student is not None:
            return _ENDS.get(student.status, Stage.STUDYING)
        if teacher is None:
            return Stage.WAITING
        if teacher.status is EventStatus.SUCCESS:
            return Stage.TAUGHT if self.has_student else Stage.TRAINED
        return _ENDS.get(teacher.status, Stage.TEACHING)

    @property
    def newest(self) -> Piece | None:
        """The student's attempt, else the teacher's."""
        return self.pieces.get(Role.STUDENT) or self.pieces.get(Role.TEACHER)


_ENDS = {
    EventStatus.SUCCESS: Stage.TRAINED,
    EventStatus.SKIPPED: Stage.SKIPPED,
    EventStatus.FAILED: Stage.FAILED,
}


@dataclass(slots=True)
class PhaseState:
    """A phase's progress. `ends` are the times at which devices ended its last pieces of work.

    `took_s` is the duration of a phase that ended, summed over all processes that worked on it.
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
        """Seconds from its start to its end, or to `now`."""
        return self.took_s if self.took_s is not None else ((self.ended or now) - self.started).total_seconds()

    def remaining_s(self, now: datetime) -> float | None:
        """Seconds left at the rate of the last 200 pieces of work; None without a rate, and at the end."""
        left = self.total - self.done
        if self.ended is not None or left <= 0 or not self.ends:
            return None
        first = self.ends[0] if len(self.ends) == RATE_OVER else self.started
        return max((now - first).total_seconds(), 0.0) / len(self.ends) * left


@dataclass(slots=True)
class Span:
    """One attempt on a device, with its beginning and end."""

    device: str
    role: Role
    label: str
    began: datetime
    ended: datetime
    status: EventStatus


@dataclass(slots=True)
class DeviceState:
    """A device, from its heartbeats and its windows' events. `use` is 0 to 1; `uses` are time, use and memory.

    `uses` has every `use_every`-th of the `uses_seen` values, at most KEPT_USES.
    """

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
    use_every: int = 1
    uses_seen: int = 0

    @property
    def gone(self) -> bool:
        """Whether it left the fleet, stopped answering, or is not followed since its run ended."""
        return self.standing in ("lost", "left", RELEASED)

    def rate(self, now: datetime) -> float:
        """Pieces of work per second over the last minute."""
        return _rate(self.ends, now)

    def note_use(self, at: datetime, use: float, memory_mib: float | None) -> None:
        """Keep one more value of the device's use; when there are too many, every second one is dropped."""
        if self.uses_seen % self.use_every == 0:
            self.uses.append((at, use, memory_mib))
        self.uses_seen += 1
        if len(self.uses) > KEPT_USES:
            del self.uses[1::2]
            self.use_every *= 2


@dataclass(slots=True)
class Failure:
    """An attempt, phase or device that failed, whether or not it was retried."""

    at: datetime
    what: str
    reason: str


@dataclass(slots=True)
class SymbolState:
    """A symbol's cells by the first day of the window, their number per stage, and the time of the last change."""

    cells: dict[str, Cell] = field(default_factory=dict)
    stages: Counter[Stage] = field(default_factory=Counter)
    changed: datetime | None = None


@dataclass(slots=True)
class RunState:
    """Everything that a terminal or a page shows of one run.

    Metrics of windows are most of it: a terminal shows none, so its state does not keep them (`keeps_metrics`).
    `message` is why it waits or ended. `began` and `ended` are the first start and
    the last end; `session` is when the process that runs it now began, and `earlier` the time that earlier ones took.
    """

    run_id: str
    keeps_metrics: bool = True
    began: datetime | None = None
    ended: datetime | None = None
    last_event: datetime | None = None
    status: str = NOT_BEGUN
    message: str = ""
    recommendation: str = ""
    phases: dict[Phase, PhaseState] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    symbols: dict[str, SymbolState] = field(default_factory=dict)
    counts: dict[Role, Counter[EventStatus]] = field(
        default_factory=lambda: {role: Counter() for role in WINDOW_PHASES}
    )
    devices: dict[str, DeviceState] = field(default_factory=dict)
    spans: deque[Span] = field(default_factory=lambda: deque(maxlen=KEPT_SPANS))
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=KEPT_FAILURES))
    lines: deque[TrainingEvent] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    session: datetime | None = None
    earlier: timedelta = timedelta()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen unless the run is resumed."""
        return self.status not in (NOT_BEGUN, RunStatus.RUNNING, RunStatus.WAITING)

    def clock(self, now: datetime) -> datetime:
        """The time for which the run is shown: `now`, or the last event of a run that is over."""
        return self.last_event if self.over and self.last_event is not None else now

    def elapsed_s(self, now: datetime) -> float:
        """Seconds for which a process ran it; the time between a kill and a resume is not counted."""
        return (self.earlier + (now - self.session if self.session else timedelta())).total_seconds()

    def throughput(self, now: datetime) -> float:
        """Pieces of work per second over the last minute, of all devices."""
        return sum(device.rate(now) for device in self.devices.values())

    def remaining_s(self, now: datetime) -> float | None:
        """Seconds until the training phases that have begun are done, at the present rate; None without a rate."""
        left = [phase.remaining_s(now) for phase in self.phases.values()]
        return max((each for each in left if each is not None), default=None)

    def expect(self, windows: Iterable[Window]) -> None:
        """Lay out the cells of planned students, which may have no event yet."""
        for window in windows:
            self.cell(window.symbol, window.label, has_student=True)

    def cell(self, symbol: str, label: str, has_student: bool | None = None) -> Cell:
        """Return a window's cell, laid out if it is new; that of all symbols has no student unless one is expected."""
        cell = self.cells.get(label)
        if cell is None:
            cell = self.cells[label] = Cell(symbol, label, symbol != PANEL if has_student is None else has_student)
            own = self.symbols.setdefault(symbol, SymbolState())
            own.cells[cell.start] = cell
            own.stages[cell.stage] += 1
        return cell

    def put(self, cell: Cell, role: Role, piece: Piece | None) -> None:
        """Replace a cell's teacher or student, or remove it with None; all counts follow."""
        stages, before = self.symbols[cell.symbol].stages, cell.pieces.get(role)
        stages[cell.stage] -= 1
        if before is not None:
            self.counts[role][before.status] -= 1
            del cell.pieces[role]
        if piece is not None:
            self.counts[role][piece.status] += 1
            cell.pieces[role] = piece
        stages[cell.stage] += 1


def _rate(ends: deque[datetime], now: datetime) -> float:
    recent = [end for end in ends if now - end <= RATE_SPAN]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max((now - recent[0]).total_seconds(), 1e-9)
