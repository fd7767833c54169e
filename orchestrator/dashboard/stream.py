"""Server-sent events: the parts of an open page that have changed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

# Name of a part, such as the id of its element, and its text.
Parts = dict[str, str]


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
