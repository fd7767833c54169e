"""How long windows take, and may take."""

import statistics
from collections import defaultdict, deque
from collections.abc import Mapping

from schemas.contract.task import WINDOW_ROLES, Role
from schemas.store.object_store import PATIENCE_S

LIMIT_FACTOR, LEAST_LIMIT_S, FIRST_LIMIT_S = 10.0, 60.0, 3600.0
ENOUGH_DURATIONS = 3
# The median is that of the last so many windows, however many there were.
KEPT_DURATIONS = 501
LAST_DURATIONS = 15


class TimeLimits:
    """A fixed limit, or ten times the median of the role's last durations, at least a minute; for windows alone.

    With a store to both is added how long an attempt may wait for it.
    """

    def __init__(self, fixed_s: float | None, *, with_store: bool = False) -> None:
        self._fixed_s, self._patience_s = fixed_s, PATIENCE_S if with_store else 0.0
        self._durations: defaultdict[Role, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT_DURATIONS))
        self._last_s: deque[float] = deque(maxlen=LAST_DURATIONS)
        self._limits_s: dict[Role, float] = {}

    def add(self, role: Role, seconds: float) -> None:
        """Add the duration of a piece of work."""
        self._durations[role].append(seconds)
        self._limits_s.pop(role, None)
        if role in WINDOW_ROLES:
            self._last_s.append(seconds)

    def by_role(self) -> Mapping[Role, float]:
        """Seconds for each role that has a limit; an hour while fewer than three durations are known."""
        for role in WINDOW_ROLES:
            if role not in self._limits_s:
                self._limits_s[role] = self._limit_s(role) + self._patience_s
        return dict(self._limits_s)

    def usual_s(self) -> float | None:
        """Median seconds of the last windows; None before the first."""
        return statistics.median(self._last_s) if self._last_s else None

    def _limit_s(self, role: Role) -> float:
        if self._fixed_s is not None:
            return self._fixed_s
        known = self._durations[role]
        if len(known) < ENOUGH_DURATIONS:
            return FIRST_LIMIT_S
        return max(LEAST_LIMIT_S, LIMIT_FACTOR * statistics.median(known))
