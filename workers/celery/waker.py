"""Wakes a worker's event loop from a signal's handler or another thread."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

READ_BYTES = 4096


class Waker:
    """A pipe that the event loop reads."""

    def __init__(self) -> None:
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(self) -> None:
        """Have the event loop call what was attached; without a loop nothing happens."""
        with suppress(BlockingIOError):  # full: it is woken already
            os.write(self._waker, b"\0")

    def attach(self, hub: Any, then: Callable[[], None]) -> None:
        """Call `then` in the event loop each time that it is woken; the loop has started or forgotten its readers."""
        hub.add_reader(self._woken, self._read, then)

    def _read(self, then: Callable[[], None]) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, READ_BYTES)
        then()
