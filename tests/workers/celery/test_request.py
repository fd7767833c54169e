"""The event that ends a task states the outcome of its attempt."""

from typing import Any

import pytest
from celery import Task
from celery.events import EventDispatcher
from pydantic import ValidationError

from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.contract.window import SkipReason
from workers.celery.app import app
from workers.celery.request import Request, end_event


@pytest.mark.parametrize(
    ("details", "event", "text"),
    [
        ({"status": Status.SUCCESS}, "task-succeeded", ""),
        (
            {"status": Status.SKIPPED, "reason": SkipReason.PRUNED, "message": "late"},
            "task-skipped", "trial ended early: late",
        ),
        (
            {"status": Status.FAILED, "failure": FailureClass.OOM, "message": "8 GiB"},
            "task-failed", "out of memory: 8 GiB",
        ),
    ],
)  # fmt: skip
def test_an_outcome_becomes_the_event_of_its_status(details: dict[str, object], event: str, text: str) -> None:
    """Its result is why; a failed one has that as its exception as well, and the outcome's traceback."""
    outcome = Outcome.model_validate(
        {"run_id": "r", "role": Role.TEACHER, "name": "A", "attempt": 1, "device": "cpu0@h", "traceback": "here"}
        | details
    )
    type_, fields = end_event(outcome.model_dump_json(), 1.5)
    assert (type_, fields["result"], fields["runtime"]) == (event, text, 1.5)
    failed = {"exception": text, "traceback": "here"} if event == "task-failed" else {}
    assert {name: fields[name] for name in ("exception", "traceback") if name in fields} == failed


def test_an_outcome_is_parsed_only_for_a_program_that_asks() -> None:
    """A worker sends events of tasks from the moment that Flower asks for them."""
    eventer: Any = EventDispatcher(None, enabled=False, app=app, buffer_group=["task"], groups=["worker"])
    eventer.enabled = True
    request: Any = Request.__new__(Request)
    request._eventer, request.id, request._task = eventer, "r/teacher/A/1", Task()
    request.send_event("task-succeeded", result="no outcome", runtime=0.1)
    eventer.groups.add("task")
    with pytest.raises(ValidationError):
        request.send_event("task-succeeded", result="no outcome", runtime=0.1)
    request.send_event("task-succeeded", result="", runtime=0.1)
    assert [event["type"] for event in eventer._group_buffer["task"]] == ["task-set_aside"]


def test_what_is_not_its_run_s_is_set_aside() -> None:
    """Such a message has no outcome: the run's own may still come."""
    assert end_event("", 0.1)[0] == "task-set_aside"
