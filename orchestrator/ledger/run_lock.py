"""One process per run: a lock on its folder, released however the process ends, and its name on the broker."""

import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import HEARTBEAT_EXPIRY_S, current_owner, is_alive, this_machine
from schemas.contract.errors import RequestError
from schemas.files.layout import RunLayout
from schemas.redis.keys import run_id_owner_key

# Renewed twice per second; the name of a killed orchestrator is free again after this.
NAME_EXPIRY_S = 15.0
LOOKS, LOOK_S = 25, 0.02
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def only_one(layout: RunLayout, ledger: Ledger) -> Iterator[None]:
    """Hold the run for this process and record it as owner; RequestError names a process that holds it already."""
    with _opened(layout) as folder:
        # `is_held` takes the lock for an instant; a process that runs the run keeps it.
        if not _locked_soon(folder):
            raise RequestError(f"run {layout.folder.name} is being run by {ledger.owner()}; wait for it or stop it")
        _refuse_lease_of_another_machine(layout, ledger)
        ledger.take(current_owner())
        yield


def _refuse_lease_of_another_machine(layout: RunLayout, ledger: Ledger) -> None:
    """RequestError if a process of another host or container runs the run: its heartbeat is the lease.

    On a network file system, or between containers, the lock of a folder may be granted twice.
    """
    owner = ledger.owner()
    if owner is not None and is_alive(owner) is None and ledger.condition().status.is_active:
        raise RequestError(
            f"run {layout.folder.name} is being run by {owner}, another machine; stop it there, or wait"
            f" {HEARTBEAT_EXPIRY_S:.0f} s after it ended"
        )


def hold_name(redis: Redis, layout: RunLayout) -> None:
    """Take the run's id on the broker, or keep it; RequestError if a run in another folder has taken it."""
    run_id = layout.folder.name
    # Two hosts or containers may have one name, and the same path for different folders.
    owner = f"{platform.node()}:{layout.folder.absolute()} ({this_machine()})"
    key, expiry_ms = run_id_owner_key(run_id), int(NAME_EXPIRY_S * 1000)
    if redis.set(key, owner, px=expiry_ms, nx=True):
        return
    other: Any = redis.get(key)
    if other is not None and other.decode() != owner:
        raise RequestError(
            f"run id {run_id} is in use on this broker by {other.decode()}; give another --run-id, or wait"
            f" {NAME_EXPIRY_S:.0f} s if that run's process has ended"
        )
    redis.set(key, owner, px=expiry_ms)


def is_held(layout: RunLayout) -> bool:
    """Whether a process holds the run now."""
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
    except OSError as error:
        # Without locks on this file system the owner's heartbeat in the ledger decides alone.
        if error.errno not in NO_LOCKS:
            raise
    return True


def _locked_soon(folder: int) -> bool:
    for _ in range(LOOKS):
        if _locked(folder):
            return True
        time.sleep(LOOK_S)
    return False
