"""A run's phases and its status."""

from enum import StrEnum


class Phase(StrEnum):
    """The seven phases of a run, in order."""

    DATA_INGESTION = "data_ingestion"
    TEACHER_TRAINING = "teacher_training"
    STUDENT_TRAINING = "student_training"
    MODEL_VALIDATION = "model_validation"
    STATISTICAL_TESTS = "statistical_tests"
    RELEASE_AUDIT = "release_audit"
    PROMOTION_BRIEFING = "promotion_briefing"


class RunStatus(StrEnum):
    """Progress or end of a run. `waiting` is never recorded: it is derived from a running run and what it waits for."""

    RUNNING = "running"
    WAITING = "waiting"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    READY = "ready-for-review"

    @property
    def is_active(self) -> bool:
        """Whether a process runs the run, although it may wait for something."""
        return self in (RunStatus.RUNNING, RunStatus.WAITING)
