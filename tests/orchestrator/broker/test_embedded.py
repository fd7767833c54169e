"""The embedded server: it restarts when it is killed, and ends with the process that started it."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from orchestrator.broker import embedded
from schemas.contract.errors import RequestError
from schemas.redis.client import connect
from tests.conftest import processes_about
from tests.waiting import wait_for

HOLDER = """
import sys
from orchestrator.broker import embedded
with embedded.server() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def process_of(url: str) -> psutil.Process:
    with Redis.from_url(url) as redis:
        return psutil.Process(redis.info("server")["process_id"])


def folder_of(url: str) -> Path:
    with Redis.from_url(url) as redis:
        return Path(redis.config_get("dir")["dir"])


def answers(url: str) -> bool:
    try:
        with Redis.from_url(url) as redis:
            return bool(redis.ping())
    except RedisError:
        return False


def kill(url: str) -> None:
    """Kill the server; returns when another answers in its place."""
    killed = process_of(url)
    killed.kill()
    wait_for(lambda: answers(url) and process_of(url) != killed, "another server")


def nothing_left(folder: Path) -> None:
    wait_for(lambda: not processes_about(str(folder)) and not folder.exists(), "the end of server and folder")


def test_a_killed_server_comes_back_with_what_was_written() -> None:
    """After one SIGKILL and after a second, a server answers at the same URL and holds all written data."""
    with embedded.server() as url, connect(url) as redis:
        for times in range(1, 3):
            # Written through before the reply, so that the test need not wait for the second that a sync may take.
            redis.config_set("appendfsync", "always")
            redis.rpush("queue", times)
            redis.hset("hash", str(times), "x")
            redis.xadd("stream", {"event": times})
            kill(url)
            assert (redis.llen("queue"), redis.hlen("hash"), redis.xlen("stream")) == (times, times, times)
        folder = folder_of(url)
    nothing_left(folder)


def test_a_client_without_the_password_is_refused() -> None:
    """The server refuses clients without its password, and only the owner can read the settings in its folder."""
    with embedded.server() as url:
        port = url.rpartition(":")[2]
        with Redis.from_url(f"redis://127.0.0.1:{port}") as stranger, pytest.raises(AuthenticationError):
            stranger.get("x")
        assert (folder_of(url) / "server.conf").stat().st_mode & 0o077 == 0


def test_nothing_is_left_when_its_user_is_killed() -> None:
    """When the process that started the server is killed, server, guard and folder disappear, too."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin
    assert holder.stdout
    url = holder.stdout.readline().strip()
    folder = folder_of(url)
    assert processes_about(str(folder))
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    nothing_left(folder)


def test_a_server_that_ends_by_itself_is_left_alone() -> None:
    """A server that was shut down by a command is not restarted, and leaving the context after that is no error."""
    with embedded.server() as url:
        folder, server = folder_of(url), process_of(url)
        with Redis.from_url(url) as redis:
            redis.shutdown(nosave=True)
        wait_for(lambda: not processes_about(str(folder)), "the end of server and guard")
        assert not server.is_running()
    assert not folder.exists()


def test_a_program_that_is_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server does not start, one line names the program and what to do."""
    monkeypatch.setattr(embedded, "find_binary", lambda: "/bin/false")
    with pytest.raises(RequestError, match=r"/bin/false did not start: .*--broker"), embedded.server():
        pass


def test_a_server_of_this_process_has_one_key() -> None:
    """All runs on it sign with the same; a server of others has none, and neither has one that has ended."""
    with embedded.server() as url:
        assert embedded.key_of(url) and embedded.key_of(url) == embedded.key_of(url)
        assert not embedded.key_of("redis://127.0.0.1:1/0")
    assert not embedded.key_of(url)
