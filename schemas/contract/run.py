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
    """Progress or end of a run."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    READY = "ready-for-review"
