"""Measures the cost of an event, also with subscribers that never read.

python -m benchmarks.telemetry
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase
from schemas.redis.attempts import allow, claim
from schemas.redis.client import connect
from schemas.redis.events import emit
from schemas.redis.keys import telemetry_channel

COUNT, ROUNDS = 2000, 5
RUN = "bench"


def event(number: int) -> TrainingEvent:
    """Return the event that a worker emits when it starts a window."""
    return TrainingEvent(
        run_id=RUN, event_type=EventType.TEACHER_WINDOW_START, phase=Phase.TEACHER_TRAINING, symbol="RELIANCE",
        window_label=f"RELIANCE_2022-01-01_to_2022-06-{number % 30 + 1:02}", status=EventStatus.IN_PROGRESS,
        device="cpu0@host", attempt=1,
    )  # fmt: skip


def per_call_ms(redis: Redis, act: Callable[[int], object]) -> float:
    """Return the median over rounds of the mean time per call, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        redis.flushall()
        with redis.pipeline(transaction=False) as pipe:
            for number in range(COUNT):
                allow(pipe, RUN, "teacher", str(number), 1)
            pipe.execute()
        began = time.perf_counter()
        for number in range(COUNT):
            act(number)
        times.append((time.perf_counter() - began) / COUNT * 1e3)
    return statistics.median(times)


def main() -> None:
    """Measure and print one line per case."""
    with ExitStack() as stack:
        url = stack.enter_context(embedded.server())
        embedded.wait(url)
        redis = stack.enter_context(connect(url))
        ping = per_call_ms(redis, lambda number: redis.ping())
        bare = per_call_ms(redis, lambda number: claim(redis, RUN, "teacher", str(number), 1, "me"))
        with_event = per_call_ms(
            redis, lambda number: claim(redis, RUN, "teacher", str(number), 1, "me", event(number))
        )
        alone = per_call_ms(redis, lambda number: emit(redis, event(number)))
        print(f"ping                                    {ping:.3f} ms")
        print(f"claim of an attempt                     {bare:.3f} ms")
        print(f"claim that emits an event               {with_event:.3f} ms: {with_event - bare:.3f} ms more")
        print(f"separate event                          {alone:.3f} ms")
        for _ in range(3):
            idle = stack.enter_context(Redis.from_url(url).pubsub())  # type: ignore[no-untyped-call]
            idle.subscribe(telemetry_channel(RUN))
        slow = per_call_ms(redis, lambda number: emit(redis, event(number)))
        print(f"the same, three subscribers never read  {slow:.3f} ms")


if __name__ == "__main__":
    main()
