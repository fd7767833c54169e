"""One process a run: a lock on its folder, taken back however the process ends, and its name on the broker."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from orchestrator.ledger.ledger import Ledger
from schemas.contract.errors import RequestError
from schemas.files.layout import RunLayout
from schemas.redis.keys import name_key

# Kept twice a second; an orchestrator that was killed frees its name within this.
NAME_EXPIRY_S = 15.0
LOOKS, LOOK_S = 25, 0.02


@contextmanager
def only_one(layout: RunLayout, ledger: Ledger) -> Iterator[None]:
    """Hold the run for this process; RequestError names the process that holds it already."""
    with _opened(layout) as folder:
        # Whoever asks whether it is held keeps it for an instant; a process that runs it does not let go.
        if not _locked_soon(folder):
            owner = ledger.get("owner")
            raise RequestError(f"run {layout.folder.name} is being run by {owner}; wait for it or stop it")
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
    with _opened(layout) as folder:
        return not _locked(folder, fcntl.LOCK_SH)


@contextmanager
def _opened(layout: RunLayout) -> Iterator[int]:
    # Files of a run are replaced, its folder is not.
    folder = os.open(layout.folder, os.O_RDONLY)
    try:
        yield folder
    finally:
        os.close(folder)


def _locked(folder: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(folder, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _locked_soon(folder: int) -> bool:
    for _ in range(LOOKS):
        if _locked(folder):
            return True
        time.sleep(LOOK_S)
    return False
