"""Time limits of windows."""

import statistics
from bisect import insort
from collections import defaultdict
from collections.abc import Mapping

from schemas.contract.task import WINDOW_ROLES, Role

LIMIT_FACTOR, LEAST_LIMIT_S, FIRST_LIMIT_S = 10.0, 60.0, 3600.0
ENOUGH_DURATIONS = 3


class TimeLimits:
    """A fixed limit, or ten times the median duration of the role, at least a minute; for windows alone."""

    def __init__(self, fixed_s: float | None) -> None:
        self._fixed_s = fixed_s
        self._durations: defaultdict[Role, list[float]] = defaultdict(list)

    def add(self, role: Role, seconds: float) -> None:
        """Add the duration of a piece of work."""
        insort(self._durations[role], seconds)

    def by_role(self) -> Mapping[Role, float]:
        """Seconds for each role that has a limit; an hour while fewer than three durations are known."""
        return {role: self._limit_s(role) for role in WINDOW_ROLES}

    def _limit_s(self, role: Role) -> float:
        if self._fixed_s is not None:
            return self._fixed_s
        known = self._durations[role]
        if len(known) < ENOUGH_DURATIONS:
            return FIRST_LIMIT_S
        return max(LEAST_LIMIT_S, LIMIT_FACTOR * statistics.median(known))
