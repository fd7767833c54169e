"""One rate for all requests to a vendor, whichever worker makes them: each takes the next free slot.

pace:<vendor>   server time in microseconds at which the next slot begins; expires once that is past
"""

import threading
import time
from collections.abc import Callable

from redis import Redis

from workers.celery.connection import patiently

# KEYS: pace:<vendor>; ARGV: microseconds a slot. Returns when the slot taken begins, and how long that is from now.
SLOT_SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local slot = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local following = slot + tonumber(ARGV[1])
redis.call('SET', KEYS[1], string.format('%.0f', following), 'PX', math.ceil((following - now) / 1000))
return {slot, slot - now}
"""


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
        self._key = f"pace:{vendor}"
        self._script = None if redis is None else redis.register_script(SLOT_SCRIPT)

    def acquire(self) -> int:
        """Wait for the next free slot; returns when it begins, in microseconds of the broker's clock."""
        slot, wait_us = self._local_slot() if self._script is None else patiently(self._shared_slot)
        if wait_us > 0:
            self._sleep(wait_us / 1e6)
        return slot

    def _shared_slot(self) -> tuple[int, int]:
        assert self._script is not None
        slot, wait_us = self._script(keys=[self._key], args=[self._step_us])
        return int(slot), int(wait_us)

    def _local_slot(self) -> tuple[int, int]:
        with self._lock:
            now = time.monotonic_ns() // 1000
            slot = max(now, self._next_us)
            self._next_us = slot + self._step_us
        return slot, slot - now
