"""Celery's request of a task, whose last event states the outcome of the attempt: Flower shows that event.

For Celery every attempt succeeds that returns an outcome, also that of a window which failed.
"""

from typing import Any

from celery.worker import request

from schemas.contract.reason_words import words_for
from schemas.contract.task import Outcome, Status


class Request(request.Request):  # type: ignore[misc]
    """Sends the event of the outcome that the pool passes as the task's result, instead of `task-succeeded`."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Send an event to the programs that have asked the worker for events; without any, nothing is parsed."""
        groups = getattr(self._eventer, "groups", None)
        if groups and "task" not in groups:
            return
        if type == "task-succeeded":
            type, fields = end_event(fields["result"], fields["runtime"])
        super().send_event(type, **fields)


def end_event(outcome: str, runtime_s: float) -> tuple[str, dict[str, Any]]:
    """Type and fields of the event of an ended task; the type's second word is the state that Flower shows.

    Two types are Celery's own, whose states are FAILURE and SUCCESS. The empty outcome of a message that is not its
    run's is set aside.
    """
    if not outcome:
        return "task-set_aside", {"result": "not a message of its run", "runtime": runtime_s}
    ended = Outcome.model_validate_json(outcome)
    why = words_for(ended.failure or ended.reason)
    text = ": ".join(filter(None, (why, ended.message)))
    fields = {"result": text, "runtime": runtime_s}
    if ended.status is Status.FAILED:
        return "task-failed", fields | {"exception": text, "traceback": ended.traceback}
    return "task-skipped" if ended.status is Status.SKIPPED else "task-succeeded", fields
