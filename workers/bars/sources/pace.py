"""One rate for all requests to a vendor, from all workers: each request takes the next free slot."""

import threading
import time
from collections.abc import Callable

from redis import Redis

from schemas.redis.keys import pace_key
from schemas.redis.script import TAKE_SLOT
from schemas.redis.worker_connection import patiently


class Pace:
    """Evenly spaced slots, `per_minute` over all workers of a broker; without a broker, over this object.

    >>> Pace(redis, per_minute=30).acquire()   # returns when this request may be sent
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
        """Wait for the next free slot; returns its beginning in microseconds of the broker's clock."""
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
