"""Which devices are there, as their own heartbeats say, and what lies in their queues."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis

from schemas.contract.presence import Presence
from schemas.redis.presences import read_presences, read_reservations

REFRESH_S = 0.5
# Longer than a heartbeat's interval: a broker that forgot everything hears of each live device again within that.
GONE_S = 2.0
# After an outage devices look for the broker every two seconds, and then connect.
AFTER_OUTAGE_S = 6.0
# Time in which nobody could look (a broker that was away) proves nothing about a device.
LONGEST_STEP_S = 1.0
OUTAGE_S = 3.0


class Fleet:
    """Presences read from the broker, at most one look every half second. Who misses a heartbeat is not gone yet."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis, self._clock = redis, clock
        self._looked = float("-inf")
        self._absent_s: dict[str, float] = {}
        self.present: dict[str, Presence] = {}
        self.alone: dict[str, str] = {}

    def refresh(self) -> float | None:
        """Look again if it is time to; returns the seconds of silence that this look proves, None if none was taken."""
        now = self._clock()
        passed = now - self._looked
        if passed < REFRESH_S:
            return None
        there = read_presences(self._redis)
        self.alone = read_reservations(self._redis, there)
        self._looked = self._clock()
        step_s = min(passed, LONGEST_STEP_S)
        missing = self.present.keys() - there.keys()
        before_s = -AFTER_OUTAGE_S if passed > OUTAGE_S else 0.0
        self._absent_s = {name: self._absent_s.get(name, before_s) + step_s for name in missing}
        late = {name: self.present[name] for name in missing if self._absent_s[name] <= GONE_S}
        self.present = there | late
        return step_s

    def queued(self, device: str) -> set[str]:
        """Ids of the attempts in a device's queue."""
        return {task_id(body) for body in _bodies(self._redis, device)}


def withdraw(redis: Redis, devices: Iterable[str], prefix: str) -> None:
    """Remove every attempt whose id begins so from the devices' queues."""
    for device in devices:
        for body in _bodies(redis, device):
            if task_id(body).startswith(prefix):
                redis.lrem(device, 0, body)


def _bodies(redis: Redis, device: str) -> list[Any]:
    return list(redis.lrange(device, 0, -1))


def task_id(body: bytes) -> str:
    """The id of a message as it lies in a queue."""
    return str(json.loads(body)["headers"]["id"])
