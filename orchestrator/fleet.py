"""Which devices are there, as their own heartbeats say."""

import time
from collections.abc import Callable

from redis import Redis

from schemas.wire import PRESENCE_PREFIX, Presence

REFRESH_S = 0.5


class Fleet:
    """Presences read from the broker, at most one look every half second."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis, self._clock = redis, clock
        self._looked = float("-inf")
        self.present: dict[str, Presence] = {}

    def refresh(self) -> bool:
        """Look again if it is time to; True if a look was taken."""
        now = self._clock()
        if now - self._looked < REFRESH_S:
            return False
        self._looked = now
        keys = sorted(self._redis.scan_iter(match=f"{PRESENCE_PREFIX}*", count=1000))
        values = self._redis.mget(keys) if keys else []
        found = (Presence.model_validate_json(value) for value in values if value is not None)
        self.present = {presence.device.name: presence for presence in found}
        return True
