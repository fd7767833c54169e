"""The courier sends without waiting, keeps the order, and sends again what has no reply when a connection is lost."""

# mypy: disallow-untyped-calls=False

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from kombu.asynchronous import Hub
from redis import Redis

from schemas.redis.client import BROKER_ENV
from tests.waiting import wait_for
from workers.celery import courier
from workers.celery.courier import Courier


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An event loop that a test advances itself."""
    made = Hub()
    yield made
    made.close()
    if made._waker is not None:
        made._waker.close()


@pytest.fixture
def opened(hub: Hub, redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Courier]:
    """A courier that is connected to the server."""
    monkeypatch.setenv(BROKER_ENV, server)
    redis.flushall()
    made = Courier(hub)
    made.attach()
    yield made
    made._connection.disconnect()


def replies_of(hub: Hub, replies: list[Any], count: int) -> list[Any]:
    """Advance the loop until so many replies have come."""

    def come() -> bool:
        hub.run_once()
        return len(replies) >= count

    hub.call_repeatedly(0.02, lambda: None)
    wait_for(come, "the replies")
    return replies


def test_replies_come_in_the_order_of_the_commands(hub: Hub, opened: Courier) -> None:
    """Nothing waits for a reply before the next command is sent."""
    replies: list[Any] = []
    for number in range(100):
        opened.send(("RPUSH", "kept", number), replies.append)
    assert replies == []
    assert replies_of(hub, replies, 100) == list(range(1, 101))


def test_what_has_no_reply_is_sent_again_but_for_what_is_sent_once(
    hub: Hub, opened: Courier, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends the connection: commands without a reply follow on the next, in order; a heartbeat does not."""
    replies: list[Any] = []
    opened.send(("CLIENT", "ID"), replies.append)
    (number,) = replies_of(hub, replies, 1)
    replies.clear()
    with caplog.at_level(logging.WARNING):
        redis.execute_command("CLIENT", "KILL", "ID", number)
        beat = opened.send(("RPUSH", "once", 1), replies.append, once=True)
        for each in range(3):
            opened.send(("RPUSH", "kept", each), replies.append)
        assert replies_of(hub, replies, 3) == [1, 2, 3]
    assert not beat.pending
    assert (redis.lrange("kept", 0, -1), redis.exists("once")) == ([b"0", b"1", b"2"], 0)
    assert "trying again in 0.05 s" in caplog.text


def test_a_reply_that_is_late_ends_the_connection(
    hub: Hub, opened: Courier, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is cut gives no error: after five seconds without a reply the courier connects again."""
    monkeypatch.setattr(courier, "REPLY_S", 0.1)
    replies: list[Any] = []
    opened.send(("BLPOP", "given", 30), replies.append)
    hub.call_repeatedly(0.02, opened.tend)
    first = wait_for(lambda: redis.info("clients")["blocked_clients"], "the wait")
    monkeypatch.setattr(courier, "REPLY_S", 5.0)
    redis.rpush("given", "x", "y")
    assert first == 1
    assert replies_of(hub, replies, 1) == [[b"given", b"x"]]


def test_a_refused_write_is_sent_again(hub: Hub, opened: Courier, redis: Redis) -> None:
    """A server without memory refuses an outcome: once there is room it follows, and then what came after it."""
    redis.config_set("maxmemory", "1")
    replies: list[Any] = []
    try:
        opened.send(("SET", "kept", "1"), replies.append)
        opened.send(("GET", "kept"), replies.append)
        for _ in range(5):
            hub.call_later(0.01, lambda: None)
            hub.run_once()
        assert replies == []
    finally:
        redis.config_set("maxmemory", "0")
    opened.finish(10.0)
    assert replies == [b"OK", b"1"]


def test_a_worker_may_start_while_the_broker_is_away(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that does not answer is no error; the courier tries again, as Celery does."""
    monkeypatch.setenv(BROKER_ENV, "redis://127.0.0.1:1/0")
    with caplog.at_level(logging.WARNING):
        made = Courier(hub)
        made.attach()
    assert "trying again in 0.05 s" in caplog.text
