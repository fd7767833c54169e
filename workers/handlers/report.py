"""Parse messages from the orchestrator, and make what a worker itself reports about attempts."""

from typing import Any

from pydantic import TypeAdapter

from schemas.contract.errors import DataError, PhaseError, RequestError, StoreError
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase
from schemas.contract.task import FailureClass, IngestTask, Outcome, Role, RunTask, Status, Task, WindowTask, work_name
from workers.devices.gpu_failures import failure_of

_TASK: TypeAdapter[IngestTask | WindowTask | RunTask] = TypeAdapter(Task)

WINDOW_STARTS = {
    Role.TEACHER: (EventType.TEACHER_WINDOW_START, Phase.TEACHER_TRAINING),
    Role.STUDENT: (EventType.STUDENT_WINDOW_START, Phase.STUDENT_TRAINING),
}


def parse(message: dict[str, Any]) -> IngestTask | WindowTask | RunTask:
    """Parse a message into its task. ValidationError if it does not meet its schema."""
    return _TASK.validate_python(message, strict=False)


def lost(task: IngestTask | WindowTask | RunTask, device: str, reason: str) -> Outcome:
    """Outcome of an attempt that died with its pool child."""
    return Outcome(
        run_id=task.run_id,
        role=task.role,
        name=work_name(task),
        attempt=task.attempt,
        began=task.began,
        device=device,
        status=Status.FAILED,
        failure=FailureClass.LOST,
        message=reason,
    )


def classify(error: Exception) -> FailureClass:
    """Class of an exception. CUDA's are checked first, as some are MemoryErrors too."""
    if (cuda := failure_of(error)) is not None:
        return cuda
    if isinstance(error, DataError | PhaseError | RequestError):
        return FailureClass.DATA
    if isinstance(error, MemoryError) or "std::bad_alloc" in str(error):
        return FailureClass.OOM
    return FailureClass.TRANSIENT if isinstance(error, OSError | StoreError) else FailureClass.BUG


def unpublished(outcome: Outcome, error: Exception, traceback: str) -> Outcome:
    """The outcome of an attempt whose artifact was not stored, in place of its success."""
    return Outcome(
        run_id=outcome.run_id,
        attempt=outcome.attempt,
        began=outcome.began,
        role=outcome.role,
        name=outcome.name,
        device=outcome.device,
        status=Status.FAILED,
        failure=classify(error),
        message=str(error) or type(error).__name__,
        traceback=traceback,
        duration_seconds=outcome.duration_seconds,
    )


def start_event(task: WindowTask, device: str) -> TrainingEvent:
    """Event that reports the start of a window's attempt."""
    event_type, phase = WINDOW_STARTS[task.role]
    return TrainingEvent(
        run_id=task.run_id,
        event_type=event_type,
        phase=phase,
        symbol=task.window.symbol,
        window_label=task.window.label,
        status=EventStatus.IN_PROGRESS,
        device=device,
        attempt=task.attempt,
    )
