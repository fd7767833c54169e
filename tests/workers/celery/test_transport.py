"""A worker's connection to a server that answers, but takes no writes."""

# mypy: disallow-untyped-calls=False

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.messaging import Consumer
from kombu.pidbox import Mailbox
from redis import Redis
from redis.exceptions import NoPermissionError

from orchestrator.dispatch.celery_client import CeleryClient
from schemas.contract.task import Role, RunTask
from schemas.redis.client import address_of
from schemas.redis.dead_letters import Place, read_dead_letters

TRANSPORT = "workers.celery.transport:Transport"

Change = Callable[[Redis, bool], object]
REFUSALS: dict[str, Change] = {
    "a replica": lambda redis, on: redis.replicaof("127.0.0.1", "1") if on else redis.replicaof("NO", "ONE"),
    "no replica of its own": lambda redis, on: redis.config_set("min-replicas-to-write", int(on)),
}


@pytest.fixture
def connection(redis: Redis, server: str) -> Iterator[Connection]:
    """A connection as a worker makes it."""
    settings = address_of(server).celery_settings()
    with Connection(settings["broker_url"], transport=TRANSPORT, transport_options={"ack_emulation": False}) as opened:
        yield opened


@pytest.mark.parametrize("change", REFUSALS.values(), ids=REFUSALS)
def test_a_worker_that_waits_for_work_waits_for_a_server_that_refuses_writes(
    redis: Redis, connection: Connection, change: Change
) -> None:
    """Refused writes count as a lost connection, which Celery re-establishes; any other error ends the worker.

    Celery itself ends with "Unrecoverable error: UNBLOCKED" or "READONLY", and what it trains is lost with it.
    """
    queue = Queue("cpu0@refused")
    with Consumer(connection, [queue], callbacks=[lambda body, message: None]):
        try:
            change(redis, True)
            with pytest.raises(connection.connection_errors):
                _drain(connection)
            with pytest.raises(OperationalError), connection.clone() as again:
                again.ensure_connection(max_retries=1, interval_start=0.0)
        finally:
            change(redis, False)
    with connection.clone() as again:
        again.ensure_connection(max_retries=1)


def test_one_reply_brings_all_that_there_is_room_for(redis: Redis, server: str, connection: Connection) -> None:
    """Messages come in the order of the queue, those that cannot be read are set aside; what exceeds the room stays."""
    redis.flushall()
    with closing(CeleryClient(server)) as client:
        client.send([(RunTask(run_id="r", attempt=number, role=Role.AUDIT), "cpu0@far") for number in range(1, 7)])
    redis.rpush("cpu0@far", "junk")
    arrived: list[str] = []
    with Consumer(connection, [Queue("cpu0@far")], on_message=lambda each: arrived.append(each.headers["id"])) as taken:
        taken.qos(prefetch_count=4)
        connection.drain_events(timeout=5)
        assert arrived == ["r/audit/r/1", "r/audit/r/2", "r/audit/r/3"]
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.1)
        assert len(arrived) == 4
    assert redis.llen("cpu0@far") == 2
    assert [letter.place for letter in read_dead_letters(redis, 5)[1]] == [Place.QUEUE]


def test_neither_a_queue_nor_orders_need_keys_that_stay(redis: Redis, connection: Connection) -> None:
    """A worker takes work by its queue's name, and orders from a channel; the server holds nothing else of it.

    Celery itself keeps two keys for each queue that there ever was, and one of their expiry.
    """
    redis.flushall()
    orders: list[Any] = []
    channel = connection.channel()
    mailbox = Mailbox("celery", type="fanout", accept=["json"], serializer="json")
    node = mailbox.Node("cpu0@gone", handlers={"end": lambda state, **order: orders.append(order)}, channel=channel)
    with (
        Consumer(connection, [Queue("cpu0@gone")], callbacks=[lambda body, message: None]),
        node.listen(callback=node.handle_message),
        connection.clone() as sender,
    ):
        for look in range(50):
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.1)
            if not look:  # it has subscribed by now
                mailbox(sender)._broadcast("end", {"id": "x"}, destination=["cpu0@gone"], reply=False)
            if orders:
                break
        assert orders == [{"id": "x"}]
        assert redis.keys("*") == []


def test_a_worker_that_waits_for_work_keeps_one_connection(redis: Redis, connection: Connection) -> None:
    """What was opened for a ping, a try of a write or a queue's length is closed again; Celery itself keeps three."""
    before = {each["id"] for each in redis.client_list()}
    with Consumer(connection, [Queue("cpu0@one")], callbacks=[lambda body, message: None]):
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.1)
        assert len({each["id"] for each in redis.client_list()} - before) == 1


def test_a_user_that_may_not_write_is_not_waited_for(redis: Redis, server: str) -> None:
    """A refusal that does not pass by itself is no lost connection: it ends the worker, with the server's own words."""
    redis.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@read"],
                      commands=["+ping"])  # fmt: skip
    try:
        with Connection(server.replace("redis://:", "redis://reader:"), transport=TRANSPORT) as reader:
            reader.ensure_connection(max_retries=1, interval_start=0.0)
            with pytest.raises(NoPermissionError):
                Consumer(reader, [Queue("cpu0@refused")]).consume()
    finally:
        redis.acl_deluser("reader")


def _drain(connection: Connection, within_s: float = 5.0) -> None:
    """Wait for messages as an event loop does; what is raised is the result."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            continue
