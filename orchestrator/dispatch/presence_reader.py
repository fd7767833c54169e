"""Reads which devices are online, by their heartbeats. A device that misses one heartbeat is not gone yet."""

import time
from collections.abc import Callable, Mapping

from redis import Redis

from orchestrator.dispatch.fleet import REFRESH_S, Look
from schemas.contract.presence import Presence
from schemas.redis.dead_letters import Place, set_aside
from schemas.redis.keys import PRESENCES
from schemas.redis.presences import MOST_DEVICES, read_presences, read_standing
from schemas.redis.signing import FleetKey
from schemas.redis.writes import try_write

# Longer than a heartbeat's interval: a broker that forgot everything has each live device's heartbeat within that.
GONE_S = 2.0
# After an outage workers look for the broker every two seconds, and then connect.
AFTER_OUTAGE_S = 6.0
# Time in which the broker did not answer proves nothing about a device.
LONGEST_STEP_S = 1.0
OUTAGE_S = 3.0


class Attendance:
    """Devices that are online or were missed for `GONE_S` at most. Pure: heartbeats and passed seconds go in.

    `covered_s` has the seconds since the heartbeat before, for each device that has sent another since the last update:
    what a device does not name is missing for so long. One that sends no heartbeat proves nothing about its work.
    """

    def __init__(self) -> None:
        self._absent_s: dict[str, float] = {}
        self._silent_s: dict[str, float] = {}
        self.present: dict[str, Presence] = {}
        self.covered_s: dict[str, float] = {}

    def update(self, there: Mapping[str, Presence], passed_s: float) -> float:
        """Take in the heartbeats, the same object if it is the same one, `passed_s` after the last update.

        Returns the seconds of silence that the update proves.
        """
        step_s = min(passed_s, LONGEST_STEP_S)
        silent_s = {name: self._silent_s.get(name, 0.0) + step_s for name in {*there, *self.present}}
        self.covered_s = {
            name: silent_s.pop(name) for name, each in there.items() if each is not self.present.get(name)
        }
        self._silent_s = silent_s
        missing = self.present.keys() - there.keys()
        before_s = -AFTER_OUTAGE_S if passed_s > OUTAGE_S else 0.0
        self._absent_s = {name: self._absent_s.get(name, before_s) + step_s for name in missing}
        late = {name: self.present[name] for name in missing if self._absent_s[name] <= GONE_S}
        self.present = dict(there) | late
        return step_s


class PresenceReader:
    """Reads heartbeats and reservations from the broker, at most once every `REFRESH_S`."""

    def __init__(
        self, redis: Redis, clock: Callable[[], float] = time.monotonic, *, key: FleetKey | None = None
    ) -> None:
        """`key` as in `read_presences`."""
        self._redis, self._key, self._clock = redis, key, clock
        self._looked = float("-inf")
        self._attendance = Attendance()
        self._unreadable: dict[str, str] = {}
        self._parsed: dict[bytes, Presence] = {}

    def look(self) -> Look | None:
        """The devices that are online, those that are cordoned as draining; None if it is too early to look again.

        RedisError without a broker, and from one that takes no writes: no heartbeat and no outcome can arrive then, so
        their absence proves nothing.
        """
        passed_s = self._clock() - self._looked
        if passed_s < REFRESH_S:
            return None
        try_write(self._redis)
        there = read_presences(self._redis, self._set_aside, self._parsed, self._key)
        reserved, cordoned = read_standing(self._redis, there.keys() | self._attendance.present.keys())
        self._looked = self._clock()
        seconds = self._attendance.update(there, passed_s)
        present = {
            name: each.model_copy(update={"draining": True}) if name in cordoned else each
            for name, each in self._attendance.present.items()
        }
        refused = {name: why for name, why in self._unreadable.items() if name not in present}
        return Look(present, reserved, seconds, self._attendance.covered_s, refused)

    def _set_aside(self, device: str, reason: str, body: bytes) -> None:
        """Set aside the first heartbeat of a device that cannot be read. Its worker may be of a later version."""
        if device not in self._unreadable and len(self._unreadable) < MOST_DEVICES:
            set_aside(self._redis, Place.PRESENCE, f"{PRESENCES} {device}", reason, body)
            self._unreadable[device] = reason
