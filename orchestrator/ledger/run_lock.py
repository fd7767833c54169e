"""One process per run: a lock on its folder, released however the process ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import HEARTBEAT_EXPIRY_S, current_owner, is_alive
from schemas.contract.errors import HeldError
from schemas.files.layout import RunLayout
from schemas.files.locks import lock

LOOKS, LOOK_S = 25, 0.02


@contextmanager
def only_one(layout: RunLayout, ledger: Ledger) -> Iterator[None]:
    """Hold the run for this process and record it as owner; HeldError names a process that holds it already."""
    with _opened(layout) as folder:
        # `is_held` takes the lock for an instant; a process that runs the run keeps it.
        try:
            is_locked = _locked_soon(folder)
        except BlockingIOError:
            raise HeldError(
                f"run {layout.folder.name} is being run by {ledger.owner()}; wait for it or stop it"
            ) from None
        _refuse_lease(layout, ledger, is_locked)
        ledger.take(current_owner())
        yield


def _refuse_lease(layout: RunLayout, ledger: Ledger, is_locked: bool) -> None:
    """HeldError if another process runs the run, by its heartbeat in the ledger: a lease beside the lock.

    On a network file system, or between containers, the lock of a folder may be granted twice, or there is none.
    """
    owner = ledger.owner()
    if owner is None or not ledger.condition().status.is_active:
        return
    alive = is_alive(owner)
    if alive is None and owner.heartbeat is not None:
        seen, until = (_time(owner.heartbeat + later_s) for later_s in (0.0, HEARTBEAT_EXPIRY_S))
        raise HeldError(
            f"run {layout.folder.name} is being run by {owner}, another machine or container, alive at {seen}; stop it"
            f" there. If it is gone, try again after {until}: without another sign of life it counts as ended"
        )
    if alive is None or (alive and not is_locked and owner.pid != os.getpid()):
        raise HeldError(f"run {layout.folder.name} is being run by {owner}; wait for it or stop it")


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"


def is_held(layout: RunLayout) -> bool:
    """Whether a process holds the run now."""
    with _opened(layout) as folder:
        try:
            lock(folder, wait=False, shared=True)
        except BlockingIOError:
            return True
    return False


@contextmanager
def _opened(layout: RunLayout) -> Iterator[int]:
    # Files of a run are replaced, its folder is not.
    folder = os.open(layout.folder, os.O_RDONLY)
    try:
        yield folder
    finally:
        os.close(folder)


def _locked_soon(folder: int) -> bool:
    """Whether the lock was taken; BlockingIOError if another process keeps it."""
    for _ in range(LOOKS):
        with suppress(BlockingIOError):
            return lock(folder, wait=False)
        time.sleep(LOOK_S)
    return lock(folder, wait=False)
