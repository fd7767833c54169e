"""Moves the files of windows between a worker's host and its store, while its pool children compute.

What the next attempts read is fetched before they are claimed, and what the last ones wrote is published while a slot
goes on. An attempt is reported once its artifact is in the store.
"""

import logging
import statistics
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from schemas.contract.folders import Folders
from schemas.contract.task import IngestTask, Outcome, RunTask, WindowTask
from schemas.store.mirror import Mirror
from schemas.store.probe import PROBES
from workers.handlers.report import unpublished
from workers.handlers.window_files import fetch_bars, fetch_teacher, publish_artifact

logger = logging.getLogger(__name__)

MOST_THREADS = 32
# An attempt whose inputs are not here after so long is claimed all the same: it fetches them itself, or fails. A fetch
# that has not begun until then is left out, so that none waits for a store that is away once for each attempt.
FETCH_S = 2.0
KEPT_DURATIONS = 15
# After a request that failed.
ASKED_EVERY_S = 15.0

T = TypeVar("T")


class Transfers:
    """Transfers of one worker, in threads; `wake` is called from a thread when one has ended."""

    def __init__(self, folders: Folders, wake: Callable[[], None]) -> None:
        self._folders, self._wake = folders, wake
        self._threads = ThreadPoolExecutor(MOST_THREADS, "transfer")
        self._lock = threading.Lock()
        self._bars: dict[str, str] = {}
        self._fetches_s: deque[float] = deque(maxlen=KEPT_DURATIONS)
        self._publications_s: deque[float] = deque(maxlen=KEPT_DURATIONS)
        self._asked_s = -ASKED_EVERY_S
        self._asking: Future[bool] | None = None

    @property
    def usual_s(self) -> float:
        """Seconds that a window's transfers usually take, both together; 0 before the first."""
        found = [list(each) for each in (self._fetches_s, self._publications_s)]
        return round(sum(statistics.median(each) for each in found if each), 4)

    def fetch(self, task: IngestTask | WindowTask | RunTask) -> Future[None] | None:
        """Begin to fetch what a window's attempt reads; None for other work, whose handler fetches.

        The attempt fetches what is missing then, so an error here is logged, and raised there.
        """
        asked_s = time.monotonic()
        return self._start(lambda: self._fetch(task, asked_s)) if isinstance(task, WindowTask) else None

    def publish(self, task: WindowTask, outcome: Outcome) -> Future[Outcome]:
        """Begin to publish a success; the result is the outcome to report, a failed one if the store took nothing."""
        return self._start(lambda: self._publish(task, outcome))

    def ask_again(self) -> None:
        """Ask the store for an object: of a worker without work, too, the heartbeat shows whether it answers by now."""
        if (self._asking is None or self._asking.done()) and time.monotonic() - self._asked_s > ASKED_EVERY_S:
            self._asked_s = time.monotonic()
            self._asking = self._start(lambda: self._mirror().store.has(PROBES))

    def _start(self, transfer: Callable[[], T]) -> "Future[T]":
        future = self._threads.submit(transfer)
        future.add_done_callback(lambda _: self._wake())
        return future

    def _mirror(self) -> Mirror:
        mirror = Mirror.of(Path(self._folders.data_dir), self._folders.store)
        assert mirror is not None  # a worker without a store has no transfers
        return mirror

    def _fetch(self, task: WindowTask, asked_s: float) -> None:
        try:
            with self._lock:
                if time.monotonic() - asked_s > FETCH_S:
                    return
                # All windows of a run name the same bars.
                if task.bars != self._bars:
                    fetch_bars(task, self._mirror())
                    self._bars = task.bars
            fetch_teacher(task, self._mirror())
        except Exception as error:
            logger.warning("what %s reads was not fetched ahead: %s", task.window.label, error)
        self._fetches_s.append(time.monotonic() - asked_s)

    def _publish(self, task: WindowTask, outcome: Outcome) -> Outcome:
        began_s = time.monotonic()
        try:
            outcome = publish_artifact(task, outcome, self._mirror())
        except Exception as error:
            logger.warning("the artifact of %s was not published: %s", task.window.label, error)
            outcome = unpublished(outcome, error, traceback.format_exc())
        self._publications_s.append(time.monotonic() - began_s)
        return outcome
