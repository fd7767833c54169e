"""A run that browsers look at: followed once in this process, whoever and however many look; a reload loses nothing."""

import threading
import time
from datetime import datetime

import streamlit as st

from orchestrator.cli.watch import SILENT_S, follow
from orchestrator.progress import utc_now
from orchestrator.snapshot import RUNNING, read_snapshot
from orchestrator.state import NOT_BEGUN, RunState
from schemas.artifacts import RunManifest
from schemas.rows import read_model


class Watched:
    """The state of one run and what of it a page needs. `lock` is held by whoever reads or refreshes it."""

    def __init__(self, run_id: str, data_dir: str, broker: str | None) -> None:
        self.follower, self.layout = follow(run_id, data_dir, broker)
        self.state = RunState(run_id)
        self.lock = threading.Lock()
        self._heard = time.monotonic()
        self._phases = -1

    @property
    def over(self) -> bool:
        """Whether nothing more will happen unless somebody resumes the run."""
        return self.state.status not in (NOT_BEGUN, RUNNING)

    def now(self) -> datetime:
        """The time for which the page is drawn: of a run that is over, its last event's."""
        if not self.over or not self.state.lines:
            return utc_now()
        return self.state.lines[-1].timestamp

    def refresh(self) -> None:
        """Take in what has happened. Call with `lock` held."""
        events = self.follower.poll()
        for event in events:
            self.state.take(event)
        if events:
            self._heard = time.monotonic()
        if len(self.state.phases) != self._phases and self.layout is not None:
            self._phases = len(self.state.phases)
            self.state.expect(each.window for each in read_model(self.layout.manifest, RunManifest).plan)
        elif self.state.ended is None and self.layout is not None and time.monotonic() - self._heard > SILENT_S:
            self._heard = time.monotonic()
            if (status := read_snapshot(self.layout.ledger).status) != RUNNING:
                self.state.status = status


@st.cache_resource(max_entries=16, show_spinner="reading the run's events")
def watched(run_id: str, created: str, data_dir: str, broker: str | None) -> Watched:
    """The one follower of a run in this process; `created` tells a run from an earlier one of its name."""
    found = Watched(run_id, data_dir, broker)
    with found.lock:
        found.refresh()
    return found
