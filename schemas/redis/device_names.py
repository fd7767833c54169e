"""Names of devices that a process of this machine is about to serve: the first that asks has each, until it ends.

Later its workers' heartbeats show who serves a device; two processes that start within a second see none of the other.
"""

import os
import time
from typing import Any

import psutil
from redis import Redis

from schemas.contract.base import Frozen
from schemas.contract.machine import machine_part
from schemas.contract.process import still_runs
from schemas.contract.received import UnreadableError, received
from schemas.redis.keys import starting_key

# Workers start in seconds; a busy host takes longer.
EXPIRY_S = 60.0


class Starter(Frozen):
    """The process that starts a device's worker; `since` is in seconds since 1970."""

    pid: int
    since: float


def take_name(redis: Redis, device: str) -> Starter | None:
    """Take a device's name for this process; the running process that has it, None if this one has it now.

    RedisError without a broker.
    """
    key, own = starting_key(device, machine_part()), Starter(pid=os.getpid(), since=time.time()).model_dump_json()
    expiry_ms = int(EXPIRY_S * 1000)
    if redis.set(key, own, px=expiry_ms, nx=True):
        return None
    before: Any = redis.get(key)
    if (other := _starter(before)) is not None and still_runs(other.pid, other.since) and not _is_own_id(other):
        return other
    # Of two processes that find the same one ended, the first to write has the name.
    replaced: Any = redis.set(key, own, px=expiry_ms, get=True)
    return None if replaced in (before, None) else _starter(replaced)


def _is_own_id(other: Starter) -> bool:
    """Whether a starter was an earlier process of this process's id.

    A container that is killed and started again often has the ids and the machine's identity of the one before.
    """
    return other.pid == os.getpid() and other.since < psutil.Process().create_time()


def leave_name(redis: Redis, device: str) -> None:
    """Let another process have a name that this one has taken. RedisError without a broker."""
    redis.delete(starting_key(device, machine_part()))


def _starter(body: bytes | None) -> Starter | None:
    try:
        return received(Starter, body) if body is not None else None
    except UnreadableError:
        return None
