"""Interface of the dispatch loop to a fleet; `broker_fleet` implements it, `played_fleet` is a double in memory."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.dispatch.work import Sent
from schemas.contract.presence import Presence
from schemas.contract.share import Share
from schemas.contract.task import Outcome

REFRESH_S = 0.5


@dataclass(frozen=True)
class Look:
    """The devices that are online, which run keeps which of them free, and the seconds that this look proves.

    `covered_s`: the seconds since its heartbeat before, for each device that has sent one since the last look.
    `unreadable`: devices without a heartbeat that can be read, and the reason of the first that could not.
    """

    present: Mapping[str, Presence]
    reserved: Mapping[str, str]
    seconds: float
    covered_s: Mapping[str, float]
    unreadable: Mapping[str, str] = field(default_factory=dict)


class Fleet(Protocol):
    """One run's access to the devices. Any call may raise one of `loop.BROKER_GONE`; it is then made again later."""

    def now_s(self) -> float:
        """Seconds on a clock that never goes back."""

    def look(self) -> Look | None:
        """Look at the devices; None if the last look was less than `REFRESH_S` ago."""

    def queued(self, devices: Collection[str]) -> Mapping[str, Collection[str]]:
        """Ids of the attempts in each of these devices' queues."""

    def claimants(self, identities: Collection[str]) -> Mapping[str, str]:
        """The device that has claimed each attempt, of any run, empty if none has; what is not known is left out."""

    def share(self, own: Share) -> Mapping[str, Share]:
        """Publish the run's share of the fleet; returns those of the other runs."""

    def send(self, ready: Sequence[Sent]) -> None:
        """Allow attempts and put each in its device's queue. After an error any of them may have been sent."""

    def recall(self, sent: Sent) -> bool:
        """Revoke an attempt and take it out of the queue; False if a worker has claimed it."""

    def kill(self, identity: str, device: str) -> None:
        """Order the worker of a device to end the process that runs an attempt."""

    def outcomes(self, *, wait: bool) -> Iterator[Outcome]:
        """The next outcomes of the run, each counted as read when it is yielded; with `wait` for a moment at most."""

    def set_aside(self, outcome: Outcome, why: str) -> None:
        """Keep an outcome that does not count, with the reason."""

    def reserve(self, device: str) -> None:
        """Keep a device free of other runs' work for the next seconds."""

    def release(self, device: str) -> None:
        """End a reservation."""

    def running(self) -> set[str]:
        """Ids of the run's attempts that devices run now, by their last heartbeats."""

    def withdraw(self, devices: Iterable[str]) -> None:
        """Take all messages of the run out of these devices' queues."""

    def clear(self, devices: Iterable[str]) -> None:
        """Remove the run from the broker; its events stay for a minute."""
