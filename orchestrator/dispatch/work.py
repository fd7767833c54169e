"""A piece of work, and an attempt at it that was sent to a device."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, IngestTask, Outcome, Role, RunTask, Status, WindowTask, work_name
from schemas.redis.attempt_id import run_prefix

Work = IngestTask | WindowTask | RunTask
Key = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """A window's teacher or student that `make` turns into a task when it is sent: up to a million of them wait."""

    role: Role
    name: str
    symbol: str
    make: Callable[[Role, str], WindowTask]


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of work that has no outcome yet.

    `size` is proportional to the expected duration (labelled rows). `strikes` counts attempts that failed after they
    had begun, `spoiled` has the devices where they did; `lost` records that an attempt disappeared, `unbegun` how often
    one did before it had begun. Work with `alone` needs a device for itself. It is not tried again before `due_s` on
    the fleet's clock. `order` is that of arrival.
    """

    work: Work | Planned
    size: int = 0
    strikes: int = 0
    spoiled: frozenset[str] = frozenset()
    lost: bool = False
    unbegun: int = 0
    alone: bool = False
    due_s: float = 0.0
    order: int = field(default=0, compare=False)

    @property
    def key(self) -> Key:
        """Role and name, which identify the work in its run."""
        return self.work.role, self.work.name if isinstance(self.work, Planned) else work_name(self.work)

    @property
    def symbol(self) -> str:
        """The symbol whose bars a device caches for this work; empty for work on the whole run."""
        if isinstance(self.work, IngestTask | Planned):
            return self.work.symbol
        return self.work.window.symbol if isinstance(self.work, WindowTask) else ""

    def task(self) -> Work:
        """The message, without the number of an attempt."""
        return self.work.make(self.work.role, self.work.name) if isinstance(self.work, Planned) else self.work


@dataclass(frozen=True)
class Sent:
    """An attempt that a device should be working on, with the seconds for which it was observed in each state.

    `missed_s` and `waited_s` count the latest unbroken stretch, `ran_s` all the time that it was seen running, `out_s`
    all the time since it was sent.
    """

    item: Item
    device: str
    attempt: int
    id: str
    missed_s: float = 0.0
    waited_s: float = 0.0
    ran_s: float = 0.0
    out_s: float = 0.0

    def runs(self, presence: Presence, claimants: Mapping[str, str]) -> bool:
        """Whether its device runs it: the device has claimed it, and its heartbeat names it, as running or as held.

        If the broker has lost the claim, the heartbeat alone decides.
        """
        if self.id in claimants:
            return claimants[self.id] == self.device and self.id in (*presence.running, *presence.held)
        return self.id in presence.running

    def is_held(self, presence: Presence | None) -> bool:
        """Whether the device's heartbeat names it; if not, it may be in the device's queue."""
        return presence is not None and (self.id in presence.held or self.id in presence.running)

    def task(self, began: str = "") -> Work:
        """The message to the worker, of the run that began then."""
        return self.item.task().model_copy(update={"attempt": self.attempt, "began": began})

    def observed(
        self, presence: Presence | None, queued: Collection[str], seconds: float, covered_s: float,
        claimants: Mapping[str, str],
    ) -> "Sent":  # fmt: skip
        """The attempt after one more look at its device, whose queue holds the ids `queued`.

        If neither names it, it was missed for the `covered_s` that the device's heartbeat covers, if that is new. The
        first heartbeat after a link was cut covers more than the time since the attempt was sent.
        """
        out_s = self.out_s + seconds
        if presence is None:
            return replace(self, out_s=out_s)
        if self.runs(presence, claimants):
            return replace(self, missed_s=0.0, waited_s=0.0, ran_s=self.ran_s + seconds, out_s=out_s)
        if self.id in (*presence.held, *presence.running, *queued):
            return replace(self, missed_s=0.0, waited_s=self.waited_s + seconds, out_s=out_s)
        return replace(self, missed_s=min(self.missed_s + covered_s, out_s), out_s=out_s)


@dataclass(frozen=True)
class Stray:
    """An attempt that a device runs although its outcome is known or it was sent elsewhere, and for how long."""

    id: str
    device: str
    seconds: float


def find_strays(
    run_id: str, present: Mapping[str, Presence], wanted: Collection[str], before: Iterable[Stray], seconds: float
) -> tuple[Stray, ...]:
    """The run's attempts that devices run although they are not `wanted`, `seconds` after those `before`."""
    before_s = {(stray.id, stray.device): stray.seconds for stray in before}
    return tuple(
        Stray(identity, name, before_s.get((identity, name), 0.0) + seconds)
        for name in sorted(present)
        for identity in present[name].running
        if identity.startswith(run_prefix(run_id)) and identity not in wanted
    )


def refused(outcome: Outcome, why: str) -> Outcome:
    """The outcome as a failure after which the next attempt replaces what is stored."""
    nothing: dict[str, Any] = {"metrics": {}, "digests": {}, "key": None, "reused_from": None}
    failed = {"status": Status.FAILED, "failure": FailureClass.TRANSIENT, "message": why}
    return outcome.model_copy(update=nothing | failed)
