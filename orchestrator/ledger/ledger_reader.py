"""Reads a run without changing it: a snapshot of its ledger, and the new lines of its event log.

Nothing here takes the run's lock, which would make a `resume` at that moment fail.
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.events.event_log import number_of
from orchestrator.ledger.connection import open_for_reading
from orchestrator.ledger.run_status import RunCondition, read_condition
from schemas.contract.task import Status

PENDING = "pending"
OUTCOMES = (*(status.value for status in Status), PENDING)
DURATION_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
BUSY_S = 1.0


@dataclass(frozen=True)
class Durations:
    """How many pieces of work took at most each of `DURATION_BUCKETS_S`, how many in all, and their sum in seconds."""

    buckets: tuple[int, ...]
    count: int
    sum_s: float


@dataclass(frozen=True)
class PhaseTimes:
    """When a phase began and ended, in seconds since 1970; `ended` is None while it is open."""

    started: float
    ended: float | None


@dataclass(frozen=True)
class Snapshot:
    """The counts, durations and phases that a ledger holds at one moment.

    `work` counts by (role, outcome), the outcome being a status or `pending`; `failures` counts attempts by (role,
    class), including those that were retried. `progress` is when work last ended or a phase last began.
    """

    condition: RunCondition
    work: Mapping[tuple[str, str], int]
    durations: Mapping[str, Durations]
    failures: Mapping[tuple[str, str], int]
    phases: Mapping[str, PhaseTimes]
    progress: float | None


def read_snapshot(path: Path) -> Snapshot:
    """Read a ledger without writing and without blocking its writer; sqlite3.Error if it cannot be read."""
    with closing(open_for_reading(path, timeout_s=BUSY_S)) as db:
        db.execute("BEGIN")
        outcomes = db.execute("SELECT role, COALESCE(status, ?), COUNT(*) FROM work GROUP BY 1, 2", (PENDING,))
        failures = db.execute("SELECT role, failure, COUNT(*) FROM attempts WHERE failure IS NOT NULL GROUP BY 1, 2")
        return Snapshot(
            condition=read_condition(db),
            work={(role, outcome): count for role, outcome, count in outcomes},
            durations=_durations(db),
            failures={(role, failure): count for role, failure, count in failures},
            phases={name: PhaseTimes(*times) for name, *times in db.execute("SELECT name, started, ended FROM phases")},
            progress=db.execute(
                "SELECT max(at) FROM (SELECT max(finished) AS at FROM work UNION ALL SELECT max(started) FROM phases)"
            ).fetchone()[0],
        )


def _durations(db: sqlite3.Connection) -> dict[str, Durations]:
    """Durations by role of trained windows; windows copied from another run are left out."""
    within = ", ".join(f"sum(duration_seconds <= {bound})" for bound in DURATION_BUCKETS_S)
    rows = db.execute(
        f"SELECT role, count(*), sum(duration_seconds), {within} FROM work"
        " WHERE duration_seconds IS NOT NULL AND reused_from IS NULL GROUP BY role"
    )
    return {role: Durations(tuple(buckets), count, sum_s) for role, count, sum_s, *buckets in rows}


@dataclass
class EventLog:
    """Counts the events of a run's log, and its missing sequence numbers; reads each line once."""

    path: Path
    is_there: bool = False
    count: int = 0
    lost: int = 0
    _last: int = field(default=0, repr=False)
    _offset: int = field(default=0, repr=False)

    def read_on(self) -> None:
        """Read the whole lines that are new; `is_there` is False where there is no log."""
        self.is_there = self.path.is_file()
        if not self.is_there:
            return
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._offset:
                # Another run of this name has replaced the log.
                self.count = self.lost = self._last = self._offset = 0
            file.seek(self._offset)
            self._take(file)

    def _take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._offset += len(line)
            number = number_of(line)
            if number is not None:
                self.lost += max(number - self._last - 1, 0)
                self._last = max(self._last, number)
                self.count += 1
