"""A device's queue may hold anything; only whole messages of the orchestrator reach Celery."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from orchestrator.dispatch.celery_client import CeleryClient
from schemas.contract.received import UnreadableError
from schemas.contract.task import TASK_NAMES, Role, RunTask
from tests.strategies import examples, junk
from workers.celery.message import checked

TASK = RunTask(run_id="r", attempt=3, role=Role.AUDIT)


def body_of(*parts: Any) -> str:
    return base64.b64encode(json.dumps(parts).encode()).decode()


def sent_by(server: str, redis: Redis) -> bytes:
    """A message as the orchestrator enqueues it."""
    sender = CeleryClient(server)
    sender.send([(TASK, "d0")])
    sender.close()
    item = redis.rpop("d0")
    assert isinstance(item, bytes)
    return item


def plain() -> dict[str, Any]:
    """The parts of a good message that are read."""
    return {
        "body": body_of([], {"message": TASK.model_dump(mode="json")}, {}),
        "headers": {"id": "r/audit/r/3", "task": TASK_NAMES[Role.AUDIT]},
        "properties": {"body_encoding": "base64"},
    }


def changed() -> Iterator[tuple[str, Any]]:
    """What makes a good message unreadable, each with one thing changed."""
    message = TASK.model_dump(mode="json")
    for name in ("body", "headers", "properties"):
        yield f"without {name}", {key: value for key, value in plain().items() if key != name}
        wrong: list[Any] = [None, 7, [], "x", {}]
        for value in wrong:
            yield f"{name} {value!r}", plain() | {name: value}
    headers: list[dict[str, Any]] = [
        {"id": None}, {"id": "r/audit/r/4"}, {"id": "x"}, {"task": "celery.ping"}, {"task": []},
        {"task": "bars.ingest"},
    ]  # fmt: skip
    for each in headers:
        yield f"headers {each}", plain() | {"headers": plain()["headers"] | each}
    yield "encoding", plain() | {"properties": {"body_encoding": "rot13"}}
    bodies: list[list[Any]] = [
        [], [[]], [[], {}, {}], [[], [], {}], [[1], {"message": message}, {}], [[], {"message": None}, {}],
        [[], {"message": message, "more": 1}, {}],
    ]  # fmt: skip
    faults: list[dict[str, Any]] = [{"role": "dance"}, {"unknown": 1}, {"attempt": -1}, {"run_id": "../x"}]
    bodies += [[[], {"message": message | fault}, {}] for fault in faults]
    for parts in bodies:
        yield f"parts {parts}", plain() | {"body": body_of(*parts)}
    for text in ("!", "[[", base64.b64encode(b"[" * 100_000).decode(), base64.b64encode(b"\xff").decode(), "\u20ac"):
        yield f"body {text[:20]}", plain() | {"body": text}


def test_a_message_of_the_orchestrator_is_passed_on(redis: Redis, server: str) -> None:
    """Its work, id and task are kept. Limits, times, callbacks and tags of the sender are not."""
    envelope = json.loads(sent_by(server, redis))
    envelope["headers"] |= {"eta": "nonsense", "timelimit": "x", "retries": [], "expires": 7, "unknown": {}}
    first, second = (checked(json.dumps(envelope).encode(), "d0") for _ in range(2))
    arguments, keywords, embedded = json.loads(base64.b64decode(first["body"]))
    assert (arguments, keywords) == ([], {"message": TASK.model_dump(mode="json")})
    assert set(embedded.values()) == {None}
    assert (first["headers"]["id"], first["headers"]["task"]) == ("r/audit/r/3", "audit.render")
    assert not first["headers"].keys() & {"eta", "timelimit", "expires", "unknown"}
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"]
    assert checked(json.dumps(plain()).encode(), "d0")["body"] == first["body"]


FAULTS = dict(changed())


@pytest.mark.parametrize("envelope", FAULTS.values(), ids=FAULTS)
def test_a_message_with_one_fault_is_unreadable(envelope: Any) -> None:
    """One wrong part is enough."""
    with pytest.raises(UnreadableError):
        checked(json.dumps(envelope).encode(), "d0")


@examples(300)
@given(
    item=junk
    | st.builds(
        lambda headers, body: json.dumps({"headers": headers, "body": body}).encode(),
        st.dictionaries(st.sampled_from(("id", "task")), st.text()),
        st.text(),
    )
)
def test_anything_else_is_unreadable(item: bytes) -> None:
    """No other error than UnreadableError, whatever the bytes."""
    with pytest.raises(UnreadableError):
        checked(item, "d0")
