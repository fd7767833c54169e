"""What telemetry says: one TrainingEvent a line in the JSONL, one a message on the channel."""

from datetime import UTC, datetime
from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.contract.base import Frozen
from schemas.contract.run import Phase
from schemas.contract.task import Metric, Role

WINDOW_PHASES = {Role.TEACHER: Phase.TEACHER_TRAINING, Role.STUDENT: Phase.STUDENT_TRAINING}


class EventType(StrEnum):
    """The first twelve are the pipeline's before this one; who knows no others may leave the rest out."""

    RUN_START = "run_start"
    RUN_END = "run_end"
    PHASE_START = "phase_start"
    PHASE_END = "phase_end"
    TEACHER_WINDOW_START = "teacher_window_start"
    TEACHER_WINDOW_SUCCESS = "teacher_window_success"
    TEACHER_WINDOW_SKIP = "teacher_window_skip"
    TEACHER_WINDOW_FAIL = "teacher_window_fail"
    STUDENT_BATCH_START = "student_batch_start"
    STUDENT_BATCH_END = "student_batch_end"
    STUDENT_WINDOW_START = "student_window_start"
    STUDENT_WINDOW_SUCCESS = "student_window_success"
    STUDENT_WINDOW_SKIP = "student_window_skip"
    STUDENT_WINDOW_FAIL = "student_window_fail"
    VALIDATION_COMPLETE = "validation_complete"
    STAT_TEST_COMPLETE = "stat_test_complete"
    PHASE_PROGRESS = "phase_progress"
    WINDOW_RETRY = "window_retry"
    DEVICE_HEARTBEAT = "device_heartbeat"


class EventStatus(StrEnum):
    """Outcome of what an event reports, or that it is still going on."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    IN_PROGRESS = "in_progress"


class TrainingEvent(Frozen):
    """One thing that happened. `seq` counts from 1 without gaps within a run's stream."""

    timestamp: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    run_id: str
    event_type: EventType
    phase: Phase | None = None
    symbol: str | None = None
    window_label: str | None = None
    status: EventStatus
    metrics: dict[str, Metric] = Field(default_factory=dict)
    message: str = ""
    duration_seconds: float | None = None
    device: str | None = None
    attempt: int | None = None
    seq: int | None = None
