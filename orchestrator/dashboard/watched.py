"""Follows each run once per process for all browsers, so that a reload loses nothing."""

import threading
import time
from functools import lru_cache

from orchestrator.events.run_fold import fold
from orchestrator.events.run_state import RunState
from orchestrator.runs.follow import SILENT_S, expect_plan, follow, take_condition

MOST_RUNS = 16


class Watched:
    """The state of a followed run. Hold `lock` while you read or refresh it."""

    def __init__(self, run_id: str, data_dir: str, broker: str | None) -> None:
        self.follower, self.layout = follow(run_id, data_dir, broker)
        self.state = RunState(run_id)
        self.lock = threading.Lock()
        self._heard = time.monotonic()
        self._phases = -1

    def refresh(self) -> None:
        """Fold the new events into the state. Call with `lock` held."""
        events = self.follower.poll()
        for event in events:
            fold(self.state, event)
        if events:
            self._heard = time.monotonic()
        if len(self.state.phases) != self._phases and self.layout is not None:
            self._phases = len(self.state.phases)
            expect_plan(self.state, self.layout)
        if not self.state.over and time.monotonic() - self._heard > SILENT_S:
            self._heard = time.monotonic()
            take_condition(self.state, self.layout, silent=True)


@lru_cache(maxsize=MOST_RUNS)
def watched(run_id: str, created: str, data_dir: str, broker: str | None) -> Watched:
    """The one follower of a run in this process; `created` separates a run from an earlier one of its name."""
    found = Watched(run_id, data_dir, broker)
    with found.lock:
        found.refresh()
        take_condition(found.state, found.layout)
    return found
