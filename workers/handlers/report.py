"""Tell the orchestrator how an attempt ended."""

import logging
from typing import Any

from pydantic import TypeAdapter
from redis.exceptions import RedisError

from schemas.contract.task import FailureClass, IngestTask, Outcome, RunTask, Status, Task, WindowTask, work_name
from schemas.redis.attempts import report
from workers.celery.connection import connect
from workers.devices.pinning import current_device

logger = logging.getLogger(__name__)

_TASK: TypeAdapter[IngestTask | WindowTask | RunTask] = TypeAdapter(Task)


def parse(message: dict[str, Any]) -> IngestTask | WindowTask | RunTask:
    """A message as its type; ValidationError if it meets no schema."""
    return _TASK.validate_python(message, strict=False)


def report_lost(message: dict[str, Any], reason: str) -> None:
    """Report from the worker's own loop that an attempt died with its process.

    Where the broker does not take it, the orchestrator finds out by itself: nobody holds the attempt any more.
    """
    task = parse(message)
    outcome = Outcome(
        run_id=task.run_id,
        role=task.role,
        name=work_name(task),
        attempt=task.attempt,
        device=current_device().name,
        status=Status.FAILED,
        failure=FailureClass.LOST,
        message=reason,
    )
    try:
        with connect(timeout_s=2.0) as redis:
            report(redis, outcome.run_id, outcome.model_dump_json())
    except RedisError as error:
        logger.warning("%s %s: lost, and the broker was not told: %s", task.role, outcome.name, error)
