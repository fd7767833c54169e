"""One process a run: a lock on its manifest, taken back however the process ends, and its name on the broker."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from orchestrator.ledger import Ledger
from schemas.errors import RequestError
from schemas.layout import RunLayout
from schemas.wire import name_key

# Kept twice a second; an orchestrator that was killed frees its name within this.
NAME_EXPIRY_S = 15.0


@contextmanager
def only_one(layout: RunLayout, ledger: Ledger) -> Iterator[None]:
    """Hold the run for this process; RequestError names the process that holds it already."""
    with layout.manifest.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = ledger.get("owner")
            raise RequestError(f"run {layout.folder.name} is being run by {owner}; wait for it or stop it") from None
        ledger.set(owner=f"process {os.getpid()} on {platform.node()}")
        yield


def hold_name(redis: Redis, layout: RunLayout) -> None:
    """Take the run's id on the broker, or keep it; RequestError if a run in another folder goes by it just now."""
    run_id, owner = layout.folder.name, f"{platform.node()}:{layout.folder.absolute()}"
    key, expiry_ms = name_key(run_id), int(NAME_EXPIRY_S * 1000)
    if redis.set(key, owner, px=expiry_ms, nx=True):
        return
    other: Any = redis.get(key)
    if other is not None and other.decode() != owner:
        raise RequestError(f"run id {run_id} is in use on this broker by {other.decode()}; give another --run-id")
    redis.set(key, owner, px=expiry_ms)


def is_held(layout: RunLayout) -> bool:
    """Whether a process is running the run now."""
    with layout.manifest.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
