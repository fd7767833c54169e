"""Connections leave a server that takes no more writes, and name what their user may not send."""

# mypy: disallow-untyped-calls=False

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from kombu.connection import Connection
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from orchestrator.broker.embedded import find_binary
from schemas.redis.celery_transport import transport_options
from schemas.redis.client import address_of, connect
from schemas.redis.script import PRESENT_DEVICES
from tests.ports import free_port
from tests.waiting import wait_for

NAME = "primary.example"
Send = Callable[[], object]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Redis, Redis]]:
    """A primary on 127.0.0.1 and its replica on 127.0.0.2, on one port."""
    port, places = free_port(), ("127.0.0.1", "127.0.0.2")
    started = []
    for place in places:
        (tmp_path / place).mkdir()
        words = [find_binary(), "--bind", place, "--port", str(port), "--save", "", "--dir", str(tmp_path / place)]
        words += ["--replica-announce-ip", place]  # else a Sentinel takes both for one
        started.append(subprocess.Popen(words, stdout=subprocess.DEVNULL))
    try:
        first, second = (Redis(host=place, port=port) for place in places)
        for each in (first, second):
            wait_for(lambda each=each: answers(each), "the server")  # type: ignore[misc]
        second.replicaof(places[0], str(port))
        yield first, second
        first.close()
        second.close()
    finally:
        for process in started:
            process.terminate()
            process.wait()


def answers(client: Redis) -> bool:
    """Whether a server answers."""
    try:
        return bool(client.ping())
    except RedisError:
        return False


@contextmanager
def closed_at_the_end() -> Iterator[list[Any]]:
    """Connections of kombu and clients, which are closed while their server is there; kombu leaves its clients open."""
    found: list[Any] = []
    yield found
    for each in found:
        if isinstance(each, Connection):
            channel: Any = each.default_channel
            channel.client.connection_pool.disconnect()
        each.close()


def kombu_sender(url: str, transport: str, opened: list[Any]) -> Send:
    """A call that writes through a channel of kombu."""
    connection: Any = Connection(url, transport=transport)
    opened.append(connection)
    return lambda: connection.default_channel.client.set("key", "1")


@pytest.mark.parametrize("client", ["redis-py", "sender", "worker"])
def test_a_name_that_moves_to_another_primary_is_followed(
    pair: tuple[Redis, Redis], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """The old primary still answers, as a replica: its first refusal ends the connection, and the next asks the name.

    redis-py and kombu alone keep the connection, and every write is refused until the process ends.
    """
    first, second = pair
    place, lookup = ["127.0.0.1"], socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: lookup(place[0] if host == NAME else host, *rest, **options),
    )
    port: Any = first.connection_pool.connection_kwargs["port"]
    url = f"redis://{NAME}:{port}/0"
    module = {"sender": "schemas.redis.celery_transport", "worker": "workers.celery.transport"}.get(client)
    with closed_at_the_end() as opened, connect(url) as redis:
        send: Send = kombu_sender(url, f"{module}:Transport", opened) if module else lambda: redis.set("key", "1")
        send()
        second.replicaof("NO", "ONE")
        first.replicaof("127.0.0.2", str(port))
        place[0] = "127.0.0.2"
        with pytest.raises(RedisError, match="read only replica"):
            send()
        second.delete("key")
        send()
        assert second.get("key") == b"1"


def sends(url: str, opened: list[Any]) -> dict[str, Send]:
    """A call that writes through each client of a broker."""
    redis, address = connect(url), address_of(url)
    opened.append(redis)
    found: dict[str, Send] = {"redis-py": lambda: redis.set("key", "1")}
    for name in ("schemas.redis.celery_transport", "workers.celery.transport"):
        connection: Any = Connection(
            **_kombu(address.celery_settings()),
            transport=f"{name}:Transport",
            transport_options=transport_options(address),
        )
        opened.append(connection)
        found[name] = lambda to=connection: to.default_channel.client.set("key", "1")  # type: ignore[misc]
    return found


def _kombu(settings: dict[str, Any]) -> dict[str, Any]:
    return {"hostname": settings["broker_url"], "ssl": settings["broker_use_ssl"] or False}


def test_sentinels_name_the_primary_of_each_connection(pair: tuple[Redis, Redis], tmp_path: Path) -> None:
    """Every client asks them again once its server refuses a write; a Sentinel that does not answer is passed over."""
    first, second = pair
    port: Any = first.connection_pool.connection_kwargs["port"]
    place, silent = free_port(), free_port()
    settings = tmp_path / "sentinel.conf"
    settings.write_text(f"port {place}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {port} 1\n")
    with subprocess.Popen([find_binary(), str(settings), "--sentinel"], stdout=subprocess.DEVNULL) as process:
        try:
            with Redis(port=place) as sentinel, closed_at_the_end() as opened:
                wait_for(lambda: answers(sentinel), "the Sentinel")
                clients = sends(f"redis+sentinel://127.0.0.1:{silent},127.0.0.1:{place}/0?service=main", opened)
                for send in clients.values():
                    send()
                second.replicaof("NO", "ONE")
                first.replicaof("127.0.0.2", str(port))
                other: Any = sentinel
                other.execute_command("SENTINEL", "REMOVE", "main")
                other.execute_command("SENTINEL", "MONITOR", "main", "127.0.0.2", str(port), "1")
                for name, send in clients.items():
                    with pytest.raises(RedisError, match="read only replica"):
                        send()
                    second.delete("key")
                    send()
                    assert second.get("key") == b"1", name
        finally:
            process.terminate()


def test_a_socket_file_is_connected_by_every_client(tmp_path: Path) -> None:
    """With a password of special characters and a database that is not the first."""
    path = tmp_path / "a b.sock"
    words = [find_binary(), "--port", "0", "--unixsocket", str(path), "--save", "", "--requirepass", "p@:w/#%"]
    url = f"unix://:p%40%3Aw%2F%23%25@{quote(str(path))}?db=3"
    with subprocess.Popen([*words, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL) as process:
        try:
            with connect(url) as redis, closed_at_the_end() as opened:
                wait_for(lambda: answers(redis), "the server")
                for name, send in sends(url, opened).items():
                    redis.delete("key")
                    send()
                    assert redis.get("key") == b"1", name
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("rules", "call", "expected"),
    [
        ("-hset", lambda redis: redis.hset("ours", "field", "value"), "HSET ours: "),
        ("-brpop", lambda redis: redis.brpop(["ours", "other"], 1), "BRPOP ours other 1: "),
        ("~ours*", lambda redis: redis.get("theirs"), "GET theirs: "),
        (
            "~ours*",
            lambda redis: PRESENT_DEVICES.run(redis, ["devices", "presences"], [1, 1]),
            "EVAL devices presences: ",
        ),
        ("-set", lambda redis: redis.eval("return redis.call('SET', KEYS[1], 'v')", 1, "ours"), "EVAL ours: "),
        ("-set", lambda redis: redis.eval("return redis.pcall('SET', KEYS[1], 'v')", 1, "ours"), "EVAL ours: "),
        ("resetchannels", lambda redis: redis.publish("telemetry:run", "1"), "PUBLISH telemetry:run: "),
        ("-hset", lambda redis: redis.pipeline().get("ours").hset("ours", "f", "v").execute(), "HSET ours"),
    ],
)
def test_a_refused_command_is_named(
    redis: Redis, server: str, rules: str, call: Callable[[Redis], object], expected: str
) -> None:
    """Servers answer "No permissions to access a key" without a name; a script's refusal is no other error."""
    user: Any = redis
    keys = () if rules.startswith("~") else ("~*",)
    user.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "+@all", "&*", *keys, rules)
    try:
        with connect(f"redis://limited:pw@{server.rpartition('@')[2]}") as limited:
            with pytest.raises(NoPermissionError) as refused:
                call(limited)
            assert expected in str(refused.value) and "value" not in str(refused.value)
            limited.ping()
    finally:
        user.execute_command("ACL", "DELUSER", "limited")


def test_a_worker_that_may_not_take_work_names_its_queue(redis: Redis, server: str) -> None:
    """Kombu's connections name the command too."""
    user: Any = redis
    user.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "+@all", "&*", "~ours*")
    url = f"redis://limited:pw@{server.rpartition('@')[2]}"
    try:
        with (
            Connection(
                address_of(url).celery_settings()["broker_url"], transport="workers.celery.transport:Transport"
            ) as opened,
            pytest.raises(NoPermissionError, match="LPUSH cpu0@here: "),
        ):
            opened.default_channel.client.lpush("cpu0@here", "1")
    finally:
        user.execute_command("ACL", "DELUSER", "limited")
