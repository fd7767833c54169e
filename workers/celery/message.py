"""Check a message of a device's queue before Celery sees it: many that are malformed end its parent process."""

import base64
import itertools
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from schemas.contract.received import UnreadableError, first_fault, received
from schemas.contract.task import TASK_NAMES, Task, work_name
from schemas.redis.attempt_id import AttemptId

_TASK: TypeAdapter[Any] = TypeAdapter(Task)
_tags = itertools.count()


class _Headers(BaseModel):
    id: str
    task: str
    argsrepr: str = ""
    kwargsrepr: str = ""


class _Properties(BaseModel):
    body_encoding: Literal["base64"]


class _Envelope(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    body: str
    headers: _Headers
    properties: _Properties


def checked(item: bytes, queue: str) -> dict[str, Any]:
    """The message to Celery that `item` holds, made anew of its checked parts; UnreadableError if it is no attempt.

    Whatever else `item` holds is left out: times, limits, retries, callbacks, and a tag that may be there twice.
    """
    envelope = received(_Envelope, item)
    headers = envelope.headers
    if headers.task not in TASK_NAMES.values():
        raise UnreadableError(f"no worker has a task {headers.task}")
    message = _message_of(envelope.body)
    try:
        task = _TASK.validate_python(message)
    except ValidationError as error:
        raise UnreadableError(first_fault(error)) from None
    if TASK_NAMES[task.role] != headers.task:
        raise UnreadableError(f"work of role {task.role} came to task {headers.task}")
    identity = str(AttemptId(task.run_id, task.role, work_name(task), task.attempt))
    if headers.id != identity:
        raise UnreadableError(f"its id is not that of its work, {identity}")
    body = json.dumps([[], {"message": message}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py", "task": headers.task, "id": identity, "root_id": identity, "retries": 0,
            "argsrepr": headers.argsrepr, "kwargsrepr": headers.kwargsrepr, "ignore_result": True,
        },
        "properties": {
            "correlation_id": identity, "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue}, "delivery_tag": f"checked-{next(_tags)}",
        },
    }  # fmt: skip


def _message_of(body: str) -> Any:
    """The message in an encoded body: the one keyword argument of a task."""
    try:
        arguments, keywords, _ = json.loads(base64.b64decode(body, validate=True))
    except (ValueError, TypeError, RecursionError):
        raise UnreadableError("its body is no base64 of JSON of three parts") from None
    if arguments or not isinstance(keywords, dict) or keywords.keys() != {"message"}:
        raise UnreadableError("its body has other arguments than a message")
    return keywords["message"]
