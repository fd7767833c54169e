"""Parse messages from the orchestrator, and report attempts that died with their process."""

import logging
from typing import Any

from pydantic import TypeAdapter
from redis.exceptions import RedisError

from schemas.contract.task import FailureClass, IngestTask, Outcome, RunTask, Status, Task, WindowTask, work_name
from schemas.redis.attempts import report
from schemas.redis.worker_connection import connect
from schemas.redis.writes import trouble
from workers.devices.pinning import current_device

logger = logging.getLogger(__name__)

_TASK: TypeAdapter[IngestTask | WindowTask | RunTask] = TypeAdapter(Task)


def parse(message: dict[str, Any]) -> IngestTask | WindowTask | RunTask:
    """Parse a message into its task. ValidationError if it does not meet its schema."""
    return _TASK.validate_python(message, strict=False)


def report_lost(message: dict[str, Any], reason: str) -> None:
    """Report, from the worker's own loop, that an attempt died with its pool child.

    If the broker does not accept it, the orchestrator finds the loss itself, as no worker holds the attempt.
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
        logger.warning("%s %s: lost and not reported, as the broker %s", task.role, outcome.name, trouble(error))
