"""One process a run: a lock on its manifest that the system takes back however the process ends."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.ledger import Ledger
from schemas.errors import RequestError
from schemas.layout import RunLayout


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


def is_held(layout: RunLayout) -> bool:
    """Whether a process is running the run now."""
    with layout.manifest.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
