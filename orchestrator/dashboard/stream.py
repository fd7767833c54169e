"""Server-sent events: the parts of an open page that have changed."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

# Name of a part, such as the id of its element, and its text.
Parts = dict[str, str]


class SharedParts:
    """Parts that are the same for all browsers: `draw` is called once per `every_s`, however many are open."""

    def __init__(self, draw: Callable[[], Parts], every_s: float) -> None:
        self._draw, self._every_s = draw, every_s
        self._lock = threading.Lock()
        self._parts: Parts = {}
        self._drawn_s = float("-inf")

    def fresh(self) -> Parts:
        """The parts as they are now, for a page that is opened."""
        with self._lock:
            return self._drawn()

    def recent(self) -> Parts:
        """The parts as they were when they were last drawn, at most `every_s` ago, for a page that is open."""
        with self._lock:
            is_due = time.monotonic() - self._drawn_s >= self._every_s
            return self._drawn() if is_due else self._parts

    def _drawn(self) -> Parts:
        self._parts, self._drawn_s = self._draw(), time.monotonic()
        return self._parts

    def streamed(self) -> StreamingResponse:
        """Answer with the parts as they change, until the browser closes it."""
        return streamed(self.recent, lambda: False, self._every_s)


def streamed(parts: Callable[[], Parts], is_over: Callable[[], bool], every_s: float) -> StreamingResponse:
    """Answer with an event of all parts, then of those that changed, until it is over or the browser closes it."""
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_events(parts, is_over, every_s), media_type="text/event-stream", headers=headers)


async def _events(parts: Callable[[], Parts], is_over: Callable[[], bool], every_s: float) -> AsyncIterator[str]:
    sent: Parts = {}
    while True:
        # Both wait for the run's lock, which is held while thousands of events are folded: not in the event loop.
        over, fresh = await run_in_threadpool(lambda: (is_over(), parts()))
        changed = {name: text for name, text in fresh.items() if sent.get(name) != text}
        # A comment keeps proxies from closing a silent connection.
        yield f"data: {json.dumps(changed)}\n\n" if changed else ": nothing new\n\n"
        sent = fresh
        if over:
            yield "event: over\ndata: {}\n\n"
            return
        await asyncio.sleep(every_s)
