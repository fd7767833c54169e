"""What becomes of an attempt that was sent: pure judgements over heartbeats, with time counted in observed seconds."""

import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from orchestrator.dispatch.backlog import Item
from schemas.contract.presence import Presence
from schemas.contract.task import Role

UNHELD_S = 3.0
UNTAKEN_S = 30.0

LIMITED = (Role.TEACHER, Role.STUDENT)
LIMIT_FACTOR, LEAST_LIMIT_S, FIRST_LIMIT_S = 10.0, 60.0, 3600.0
ENOUGH_DURATIONS = 3


class Verdict(Enum):
    """What an attempt's device and running time mean for it."""

    FINE = auto()
    LOST = auto()
    LEFT_BEHIND = auto()
    OVERDUE = auto()


@dataclass
class Sent:
    """An attempt that a device should be working on, and for how long it was seen in which state, in seconds."""

    item: Item
    device: str
    attempt: int
    id: str
    missed_s: float = 0.0
    waited_s: float = 0.0
    ran_s: float = 0.0


def judge(
    sent: Sent, presence: Presence | None, queued: Callable[[str], set[str]], seconds: float, limit_s: float | None
) -> Verdict:
    """Take in one look at the fleet, `seconds` after the last.

    LOST: its device is gone, or nobody has held it for `UNHELD_S`. LEFT_BEHIND: it waits at a device that takes no
    more, or has done nothing for `UNTAKEN_S`. OVERDUE: it has run longer than `limit_s`.
    """
    if presence is None:
        return Verdict.LOST
    if sent.id in presence.running:
        sent.missed_s = sent.waited_s = 0.0
        sent.ran_s += seconds
        return Verdict.OVERDUE if limit_s is not None and sent.ran_s > limit_s else Verdict.FINE
    if sent.id in presence.held or sent.id in queued(sent.device):
        sent.missed_s = 0.0
        sent.waited_s += seconds
        idle = not presence.running and sent.waited_s > UNTAKEN_S
        return Verdict.LEFT_BEHIND if presence.draining or idle else Verdict.FINE
    sent.missed_s += seconds
    return Verdict.LOST if sent.missed_s > UNHELD_S else Verdict.FINE


class Limits:
    """How long a window may run: what was asked for, or ten times the median of its role, a minute at least."""

    def __init__(self, fixed_s: float | None) -> None:
        self._fixed_s = fixed_s
        self._durations: defaultdict[Role, list[float]] = defaultdict(list)

    def add(self, role: Role, seconds: float) -> None:
        """Take in how long a piece of work took."""
        insort(self._durations[role], seconds)

    def of(self, role: Role) -> float | None:
        """Seconds, or None for work that has no limit. An hour, while fewer than three are known."""
        if role not in LIMITED:
            return None
        if self._fixed_s is not None:
            return self._fixed_s
        known = self._durations[role]
        if len(known) < ENOUGH_DURATIONS:
            return FIRST_LIMIT_S
        return max(LEAST_LIMIT_S, LIMIT_FACTOR * statistics.median(known))
