"""Names of devices that processes serve: the first that asks has each, while it keeps it and until it ends.

Heartbeats show who serves a device, but the first comes seconds after the start: two processes that start at once see
none of the other.
"""

import os
import platform
import time
from collections.abc import Sequence
from typing import Any

import psutil
from redis import Redis

from schemas.contract.base import Frozen
from schemas.contract.machine import this_machine
from schemas.contract.process import still_runs
from schemas.contract.received import UnreadableError, received
from schemas.redis.keys import served_key
from schemas.redis.script import TAKE_NAME

# A name that is not kept for so long is free: its host has lost power, or its container was killed.
EXPIRY_S, KEPT_EVERY_S = 10.0, 3.0
EXPIRY_MS = int(EXPIRY_S * 1000)


class Server(Frozen):
    """The process that serves a device; `since` is in seconds since 1970."""

    pid: int
    since: float
    machine: str
    host: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, where process ids of this one mean nothing."""
        return self.machine != this_machine()

    @property
    def is_own(self) -> bool:
        """Whether it is this process."""
        return self.pid == os.getpid() and not self.is_elsewhere


def take_name(redis: Redis, device: str) -> Server | None:
    """Take a device's name for this process; the process that has it, None if this one has it now.

    That of a process of this machine which has ended is free: of two that find it, the first has the name. RedisError
    without a broker.
    """
    seen = b""
    while (found := TAKE_NAME.run(redis, *_taking(device, seen))) is not None:
        if (other := _server(found)) is not None and (other.is_elsewhere or _still_runs(other)):
            return other
        seen = found  # it has ended; another process may take the name first
    return None


def keep_names(redis: Redis, devices: Sequence[str]) -> dict[str, Server]:
    """Keep names that this process has taken; returns other processes that have taken one since, by device.

    A name that was not kept for EXPIRY_S is taken again. RedisError without a broker.
    """
    others: dict[str, Server] = {}
    seen = dict.fromkeys(devices, b"")
    while seen:
        with redis.pipeline(transaction=False) as pipe:
            for device, body in seen.items():
                TAKE_NAME.run(pipe, *_taking(device, body))
            found = dict(zip(seen, pipe.execute(), strict=True))
        seen = {}
        for device, body in found.items():
            server = _server(body)
            if server is not None and not server.is_own:
                others[device] = server
            elif body is not None:
                seen[device] = body
    return others


def leave_name(redis: Redis, device: str) -> None:
    """Let another process have a name that this one has taken. RedisError without a broker."""
    key = served_key(device)
    body: Any = redis.get(key)
    if (other := _server(body)) is not None and other.is_own:
        redis.delete(key)


def _taking(device: str, seen: bytes) -> tuple[list[str], list[str | bytes | int]]:
    """Keys and arguments of TAKE_NAME: this process takes a name at which it has seen these bytes."""
    own = Server(pid=os.getpid(), since=time.time(), machine=this_machine(), host=platform.node())
    return [served_key(device)], [seen, own.model_dump_json(), EXPIRY_MS]


def _still_runs(other: Server) -> bool:
    """Whether the process of this machine runs, and is not an earlier one of this process's id.

    A container that is killed and started again often has the ids and the machine's identity of the one before.
    """
    was_own_id = other.pid == os.getpid() and other.since < psutil.Process().create_time()
    return not was_own_id and still_runs(other.pid, other.since)


def _server(body: bytes | None) -> Server | None:
    try:
        return received(Server, body) if body is not None else None
    except UnreadableError:
        return None
