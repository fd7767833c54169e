"""The event that ends a task states the outcome of its attempt."""

import pytest

from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.contract.window import SkipReason
from workers.celery.request import end_event


@pytest.mark.parametrize(
    ("details", "event", "text"),
    [
        ({"status": Status.SUCCESS}, "task-succeeded", ""),
        ({"status": Status.SKIPPED, "reason": SkipReason.PRUNED, "message": "late"}, "task-skipped", "pruned: late"),
        ({"status": Status.FAILED, "failure": FailureClass.OOM, "message": "8 GiB"}, "task-failed", "oom: 8 GiB"),
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


def test_what_is_not_its_run_s_is_set_aside() -> None:
    """Such a message has no outcome: the run's own may still come."""
    assert end_event("", 0.1)[0] == "task-set_aside"
