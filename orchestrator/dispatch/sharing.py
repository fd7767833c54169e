"""How runs share the slots of a fleet: by slot time, in proportion to their priorities."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from schemas.contract.presence import Presence
from schemas.contract.share import Share

# Slot seconds that a run used count half after so long.
HALF_LIFE_S = 60.0
LEAST_S = 0.001


def allotted(slots: int, shares: Mapping[str, Share]) -> dict[str, int]:
    """The slots of each run, whole numbers: what it wants if that fits, else its part by priority of what others leave.

    A slot that is left over goes to the run that has used the least time for its priority.
    """
    parts: dict[str, float] = {}
    open_runs, left = {run for run, share in shares.items() if share.wanted}, float(slots)
    while open_runs:
        unit = left / sum(shares[run].priority for run in open_runs)
        content = {run for run in open_runs if shares[run].wanted <= unit * shares[run].priority}
        if not content:
            parts |= {run: unit * shares[run].priority for run in open_runs}
            break
        parts |= {run: float(shares[run].wanted) for run in content}
        left -= sum(shares[run].wanted for run in content)
        open_runs -= content
    whole = {run: math.floor(parts.get(run, 0.0) + 1e-9) for run in shares}
    due = sorted(
        (run for run in parts if shares[run].wanted > whole[run]),
        key=lambda run: (shares[run].used_s / shares[run].priority, run),
    )
    for run in islice(due, max(0, min(slots, sum(each.wanted for each in shares.values())) - sum(whole.values()))):
        whole[run] += 1
    return whole


def at_most(
    most: int, fit: Mapping[str, Presence], used: Collection[str], lapsed: Collection[str]
) -> dict[str, Presence]:
    """At most so many of the fit devices, 0 for any number: those in use first, those that begin nothing last."""
    names = sorted(fit, key=lambda name: (name in lapsed, name not in used, name))
    return {name: fit[name] for name in sorted(names[: most or None])}


class Sharing:
    """One run's part of a fleet. `most_devices` is 0 for any number."""

    def __init__(self, run_id: str, priority: float = 1.0, most_devices: int = 0) -> None:
        self.most_devices = most_devices
        self._run_id, self._priority, self._used_s = run_id, priority, 0.0

    def note_end(self, seconds: float) -> None:
        """Count the seconds of an attempt that ended and were not seen at a look; each attempt counts for something."""
        self._used_s += max(seconds, LEAST_S)

    def slots(
        self, fit: Mapping[str, Presence], wanted: int, running: int, seconds: float,
        publish: Callable[[Share], Mapping[str, Share]],
    ) -> dict[str, int] | None:  # fmt: skip
        """How many slots of each fit device this run may use; None while the other runs leave it all that it wants.

        Its share, `seconds` after the last, is published: it wants so many attempts, of which some are `running`.
        """
        self._used_s = self._used_s * 0.5 ** (seconds / HALF_LIFE_S) + running * seconds
        own = Share(priority=self._priority, wanted=wanted, used_s=round(self._used_s, 3))
        shares = {run: share for run, share in publish(own).items() if share.wanted} | {self._run_id: own}
        total = sum(each.device.slots for each in fit.values())
        if len(shares) == 1 or sum(each.wanted for each in shares.values()) <= total:
            return None
        places = [name for name, each in sorted(fit.items()) for _ in range(each.device.slots)]
        counts = allotted(total, shares)
        # In order of names, so that runs that see the same shares use different slots.
        first = sum(count for run, count in counts.items() if run < self._run_id)
        return dict(Counter(places[first : first + counts[self._run_id]]))
