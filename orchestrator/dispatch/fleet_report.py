"""All that a broker knows of a fleet at one moment, for the command `fleet` and the dashboard's page."""

from dataclasses import dataclass

from redis import Redis

from schemas.contract.presence import Presence
from schemas.contract.share import Share
from schemas.contract.versions import artifact_versions
from schemas.redis.dead_letters import DeadLetter, Place, read_dead_letters
from schemas.redis.presences import read_presences, read_standing
from schemas.redis.shares import read_shares


@dataclass(frozen=True)
class FleetReport:
    """Devices that are online, by name; why some get no work; the runs that share them; what could not be read.

    `reserved` has the run that keeps a device free for work that must be alone on it. `unreadable` has the reason per
    heartbeat. `runs` wait for slots or use them. `letters` counts the dead letters, of which `last` are the newest.
    """

    devices: dict[str, Presence]
    reserved: dict[str, str]
    cordoned: set[str]
    unreadable: dict[str, str]
    runs: dict[str, Share]
    letters: dict[Place, int]
    last: list[DeadLetter]

    @property
    def away(self) -> list[str]:
        """Cordoned devices that are not online."""
        return sorted(self.cordoned - self.devices.keys())

    def states(self, device: str) -> list[str]:
        """Why an online device gets no work, or that of one run alone; empty if nothing keeps it from work."""
        found = ["draining"] if self.devices[device].draining else []
        found += ["cordoned"] if device in self.cordoned else []
        return found + ([f"kept free for {self.reserved[device]}"] if device in self.reserved else [])


def read_fleet(redis: Redis, last: int) -> FleetReport:
    """Read the report, with the `last` dead letters; RedisError without a broker."""
    unreadable: dict[str, str] = {}
    devices = read_presences(redis, lambda name, reason, _: unreadable.update({name: reason}))
    letters, newest = read_dead_letters(redis, last)
    return FleetReport(devices, *read_standing(redis, devices), unreadable, read_shares(redis), letters, newest)


def waiting(presence: Presence) -> int:
    """How many attempts a device has received and not begun."""
    return len(presence.held) - len(presence.running)


def other_versions(presence: Presence) -> list[str]:
    """The versions of a device that differ from those here, in words: it gets no work of a run that starts here."""
    return [
        f"{name} {presence.versions.get(name, 'not known')}, here {own}"
        for name, own in artifact_versions().items()
        if presence.versions.get(name) != own
    ]
