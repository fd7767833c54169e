"""One rate for all requests to a vendor, whichever worker makes them: each takes the next free slot."""

import threading
import time
from collections.abc import Callable

from redis import Redis

from schemas.redis.keys import pace_key
from schemas.redis.script import TAKE_SLOT
from workers.celery.connection import patiently


class Pace:
    """Evenly spaced turns, `per_minute` of them over all that share a broker; without one, of this object alone.

    >>> Pace(redis, per_minute=30).acquire()   # returns at this request's turn
    """

    def __init__(
        self,
        redis: Redis | None,
        per_minute: float,
        *,
        vendor: str = "vendor",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._step_us = round(60e6 / per_minute)
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_us = 0
        self._key = pace_key(vendor)
        self._redis = redis

    def acquire(self) -> int:
        """Wait for the next free slot; returns when it begins, in microseconds of the broker's clock."""
        slot, wait_us = self._local_slot() if self._redis is None else patiently(self._shared_slot)
        if wait_us > 0:
            self._sleep(wait_us / 1e6)
        return slot

    def _shared_slot(self) -> tuple[int, int]:
        assert self._redis is not None
        slot, wait_us = TAKE_SLOT.run(self._redis, [self._key], [self._step_us])
        return int(slot), int(wait_us)

    def _local_slot(self) -> tuple[int, int]:
        with self._lock:
            now = time.monotonic_ns() // 1000
            slot = max(now, self._next_us)
            self._next_us = slot + self._step_us
        return slot, slot - now
