"""Ends a process when its parent has ended, even by SIGKILL."""

import os
import threading
from functools import cache

from workers.devices.pinning import PARENT_ENV

POLL_S = 0.5


def watch_parent() -> None:
    """End this process as soon as its parent has ended; artifacts are renamed into place, so none is left incomplete.

    PARENT_ENV names the parent, which may have gone before this call. Processes started from here follow this one.
    """
    parent = int(os.environ.get(PARENT_ENV) or os.getppid())
    os.environ[PARENT_ENV] = str(os.getpid())
    end_with(parent)


@cache
def end_with(parent: int) -> None:
    """End this process as soon as the process `parent` is not its parent any more."""
    never = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            never.wait(POLL_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
