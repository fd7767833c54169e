"""Run one attempt and report how it ended: every way out of a task becomes exactly one outcome."""

import logging
import os
import time
import traceback
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from schemas.errors import DataError, PhaseError, RequestError
from schemas.events import EventStatus, EventType, Phase, TrainingEvent
from schemas.messages import FailureClass, IngestTask, Outcome, Role, RunTask, Status, WindowTask, work_name
from schemas.wire import claim, emit
from workers import outcomes, work
from workers.connection import patiently, shared
from workers.devices import current_device
from workers.learning.window import Skip

logger = logging.getLogger(__name__)

BODIES: dict[Role, Callable[[Any], work.Result]] = {
    Role.INGEST: work.ingest,
    Role.TEACHER: work.teach,
    Role.STUDENT: work.study,
    Role.VALIDATION: work.validate,
    Role.STATISTICS: work.test,
    Role.AUDIT: work.audit,
}

WINDOW_STARTS = {
    Role.TEACHER: (EventType.TEACHER_WINDOW_START, Phase.TEACHER_TRAINING),
    Role.STUDENT: (EventType.STUDENT_WINDOW_START, Phase.STUDENT_TRAINING),
}


def execute(role: Role, message: dict[str, Any]) -> None:
    """Validate a message, claim its attempt, do its work, append its outcome to the run's stream."""
    task = outcomes.parse(message)
    if task.role is not role:
        raise ValueError(f"message of role {task.role} came to task {role}")
    redis, name = shared(), work_name(task)
    device = current_device().name
    claimant = f"{device} {os.getpid()}"
    if not patiently(lambda: claim(redis, task.run_id, role, name, task.attempt, claimant)):
        logger.info("%s %s attempt %d is not wanted any more", role, name, task.attempt)
        return
    if isinstance(task, WindowTask) and task.telemetry:
        _emit_start(redis, task, device)
    outcome = attempt(task, device)
    logger.info("%s %s attempt %d: %s %s", role, name, task.attempt, outcome.status, outcome.message)
    patiently(lambda: outcomes.append(redis, outcome))


def attempt(task: IngestTask | WindowTask | RunTask, device: str) -> Outcome:
    """Do a task's work and classify its end. Never raises for what the work did."""
    began = time.perf_counter()

    def outcome(status: Status, **details: Any) -> Outcome:
        return Outcome(
            run_id=task.run_id,
            role=task.role,
            name=work_name(task),
            attempt=task.attempt,
            device=device,
            status=status,
            duration_seconds=time.perf_counter() - began,
            **details,
        )

    def failed(failure: FailureClass, error: BaseException) -> Outcome:
        text = str(error) or type(error).__name__
        return outcome(Status.FAILED, failure=failure, message=text, traceback=traceback.format_exc())

    try:
        result = BODIES[task.role](task)
    except Skip as skip:
        return outcome(Status.SKIPPED, reason=skip.reason, message=str(skip))
    except (DataError, PhaseError, RequestError) as error:
        return failed(FailureClass.DATA, error)
    except MemoryError as error:
        return failed(FailureClass.OOM, error)
    except OSError as error:
        return failed(FailureClass.TRANSIENT, error)
    except Exception as error:
        return failed(FailureClass.BUG, error)
    return outcome(Status.SUCCESS, metrics=result.metrics, digests=result.digests)


def _emit_start(redis: Redis, task: WindowTask, device: str) -> None:
    event_type, phase = WINDOW_STARTS[task.role]
    event = TrainingEvent(
        run_id=task.run_id,
        event_type=event_type,
        phase=phase,
        symbol=task.window.symbol,
        window_label=task.window.label,
        status=EventStatus.IN_PROGRESS,
        device=device,
        attempt=task.attempt,
    )
    try:
        emit(redis, event)
    except RedisError as error:
        logger.warning("event not published: %s", error)
