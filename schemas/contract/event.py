"""The events of a run, and their types."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.instant import Instant
from schemas.contract.run import Phase
from schemas.contract.task import Metric, Role

WINDOW_PHASES = {Role.TEACHER: Phase.TEACHER_TRAINING, Role.STUDENT: Phase.STUDENT_TRAINING}


class EventType(StrEnum):
    """Type of an event. Each member has its `meaning`: when it is emitted, and its `metrics`.

    The first twelve are those of the previous pipeline; its consumers can ignore the others.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Create a member: a string, as in the log, with its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    RUN_START = "run_start", "A process begins to run the run: at its start and after each resume."
    RUN_END = "run_end", "That process ends the run, for whatever reason; metrics: `status`, `recommendation`."
    PHASE_START = "phase_start", "A phase begins; metrics: `planned`, the number of pieces of work."
    PHASE_END = "phase_end", "A phase ends."
    TEACHER_WINDOW_START = "teacher_window_start", "A worker begins an attempt at a teacher."
    TEACHER_WINDOW_SUCCESS = "teacher_window_success", "The ledger has the trained teacher; metrics: rows and scores."
    TEACHER_WINDOW_SKIP = "teacher_window_skip", "The plan or the data leave a teacher out; `message` is the reason."
    TEACHER_WINDOW_FAIL = "teacher_window_fail", "A teacher has failed and is not tried again."
    STUDENT_BATCH_START = "student_batch_start", "The training of students begins."
    STUDENT_BATCH_END = "student_batch_end", "Every student has ended; metrics: counts."
    STUDENT_WINDOW_START = "student_window_start", "A worker begins an attempt at a student."
    STUDENT_WINDOW_SUCCESS = "student_window_success", "The ledger has the trained student; metrics: rows and scores."
    STUDENT_WINDOW_SKIP = "student_window_skip", "The plan or the data leave a student out; `message` is the reason."
    STUDENT_WINDOW_FAIL = "student_window_fail", "A student has failed and is not tried again."
    VALIDATION_COMPLETE = "validation_complete", "The predictions of all windows are scored; metrics: scores."
    STAT_TEST_COMPLETE = "stat_test_complete", "All gates are judged; metrics: which passed."
    PHASE_PROGRESS = "phase_progress", "A symbol is stored or a gate judged; metrics: `done`, `failed`, `skipped`."
    WINDOW_RETRY = (
        "window_retry",
        "An attempt was lost and is made again (`failed`), or was taken over (`in_progress`); metrics: `role`, `name`.",
    )
    DEVICE_HEARTBEAT = (
        "device_heartbeat",
        "A device joins, leaves or changes, and every 5 s (above 100 devices less often); metrics: `standing`,"
        " `joined`, `slots`, `model`, `utilisation`, `memory_mib`, `memory_total_mib`, `running`, `rate`.",
    )


class EventStatus(StrEnum):
    """Status of the reported work: in progress, or its outcome. Runs and phases may be interrupted or cancelled."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    IN_PROGRESS = "in_progress"


class TrainingEvent(Frozen):
    """One event of a run: one message on its channel, one entry of its stream, one line of its log."""

    timestamp: Instant = Field(
        default_factory=lambda: datetime.now(UTC), description="When it happened: date, time and offset."
    )
    run_id: str = Field(description="Id of the run.")
    event_type: EventType = Field(description="What happened; docs/telemetry.md lists the types.")
    phase: Phase | None = Field(None, description="The phase that it belongs to; null for the run and for devices.")
    symbol: str | None = Field(None, description="Symbol of the window.")
    window_label: str | None = Field(None, description="Label of the window, such as TCS_2022-01-01_to_2022-06-30.")
    status: EventStatus = Field(description="How it ended, or in_progress.")
    metrics: dict[str, Metric] = Field(default_factory=dict, description="Numbers and names, depending on the type.")
    message: str = Field("", description="The reason of a failure or skip, as one sentence; otherwise mostly empty.")
    duration_seconds: float | None = Field(None, description="How long it took, in seconds; null at a start.")
    device: str | None = Field(None, description="Name of the device, such as cpu0@host.")
    attempt: int | None = Field(None, description="Number of the attempt at the window, from 1; null if none was made.")
    seq: int | None = Field(
        None,
        description="Number of the event in its run, from 1 without gaps,"
        " unless another program removed the run's keys from the broker.",
    )
