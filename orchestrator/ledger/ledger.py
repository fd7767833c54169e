"""The durable record of a run: an SQLite file in its folder with all planned work, its attempts and its results."""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import BaseModel

from orchestrator.ledger.connection import open_for_reading, open_for_writing
from orchestrator.ledger.migrations import migrate
from orchestrator.ledger.run_status import Owner, RunCondition, read_condition, read_facts
from schemas.contract.errors import FileError
from schemas.contract.run import Phase
from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.contract.window import SkipReason
from schemas.files.atomic import TEMPORARY_PREFIX

HEARTBEAT_S = 5.0
# Rows that are read at once: a run has up to a million.
PAGE = 1000


class WorkRecord(BaseModel):
    """One piece of work as the ledger knows it."""

    role: Role
    name: str
    state: str
    attempt: int
    device: str | None
    status: Status | None
    reason: SkipReason | None
    failure: FailureClass | None
    message: str
    traceback: str
    metrics: dict[str, float | int | str | bool | None]
    digests: dict[str, str]
    key: str | None
    reused_from: str | None
    duration_seconds: float | None
    finished: float | None


class PhaseRecord(BaseModel):
    """A phase: `in_progress`, `success`, `failed`, or `interrupted`; times are seconds since 1970."""

    name: Phase
    status: str
    started: float
    ended: float | None
    message: str

    @property
    def duration_seconds(self) -> float | None:
        """Seconds that the phase took; None while it is open."""
        return None if self.ended is None else self.ended - self.started


class Ledger:
    """The ledger of one run. Every method is one transaction; `resume` can go on after a kill between any two.

    `read_only` reads while another process may write; it changes no byte and leaves no file.
    """

    _read_only = False
    _heartbeat = 0.0

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if not path.is_file():
            raise FileError(f"{path} is missing; restore it, or start the run again with another --run-id")
        self._read_only, self._path = read_only, path
        try:
            self._db = open_for_reading(path) if read_only else open_for_writing(path)
        except sqlite3.Error as error:
            raise FileError(f"{path} cannot be used as a ledger: {error}") from None
        self._db.row_factory = sqlite3.Row

    @classmethod
    def in_memory(cls) -> "Ledger":
        """A ledger that ends with the process, for work that is started again, not resumed."""
        ledger = cls.__new__(cls)
        ledger._db = sqlite3.connect(":memory:", isolation_level=None)
        ledger._db.row_factory = sqlite3.Row
        migrate(ledger._db)
        return ledger

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Create an empty ledger; FileExistsError if there is one already."""
        if path.exists():
            raise FileExistsError(path)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
            migrate(db)
        temporary.rename(path)
        return cls(path)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        if not self._read_only:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def take(self, owner: Owner) -> None:
        """Record the process that runs the run from now on."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO owner (only, pid, host, started, heartbeat, machine) VALUES (1, ?, ?, ?, ?, ?)",
                (owner.pid, owner.host, owner.started, owner.heartbeat, owner.machine),
            )

    def beat(self) -> None:
        """Record that the owner is alive now; writes at most every `HEARTBEAT_S`."""
        now = time.time()
        if not 0 <= now - self._heartbeat < HEARTBEAT_S:
            self._heartbeat = now
            with self._db:
                self._db.execute("UPDATE owner SET heartbeat = ?", (now,))

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """The whole database as it is now, as a file beside its own that is removed afterwards."""
        copy = self._path.with_name(f"{TEMPORARY_PREFIX}copy-{self._path.name}")
        copy.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(copy)) as db:
                self._db.backup(db)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def owner(self) -> Owner | None:
        """The process that runs the run, or ran it last."""
        return read_facts(self._db).owner

    def condition(self) -> RunCondition:
        """What the run does now, or how it ended."""
        return read_condition(self._db)

    def add(self, role: Role, names: Iterable[str]) -> None:
        """Enter work as pending; work that is entered already is left unchanged."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR IGNORE INTO work (role, name, state) VALUES (?, ?, 'pending')", ((role, n) for n in names)
            )

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Enter work that needs no attempt as done (a window that the plan skips)."""
        with self._db:
            self._db.execute("BEGIN")
            for outcome in outcomes:
                self._db.execute(
                    "INSERT INTO work (role, name, state, status, reason, failure, message, finished)"
                    " VALUES (?, ?, 'done', ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                    " SET state = 'done', status = excluded.status, reason = excluded.reason,"
                    " failure = excluded.failure, message = excluded.message,"
                    " finished = excluded.finished",
                    (
                        outcome.role,
                        outcome.name,
                        outcome.status,
                        outcome.reason,
                        outcome.failure,
                        outcome.message,
                        time.time(),
                    ),
                )

    def send(self, role: Role, name: str, device: str) -> int:
        """Record that a new attempt goes to `device`; returns its fencing number."""
        with self._db:
            self._db.execute("BEGIN")
            row = self._db.execute(
                "UPDATE work SET state = 'sent', attempt = attempt + 1, device = ? WHERE role = ? AND name = ?"
                " RETURNING attempt",
                (device, role, name),
            ).fetchone()
            attempt = int(row["attempt"])
            self._db.execute(
                "INSERT INTO attempts (role, name, attempt, device, sent) VALUES (?, ?, ?, ?, ?)",
                (role, name, attempt, device, time.time()),
            )
        return attempt

    def sent(self) -> dict[tuple[Role, str], tuple[int, str]]:
        """Map (role, name) to (attempt, device) for all work that was sent and has not ended."""
        rows = self._db.execute("SELECT role, name, attempt, device FROM work WHERE state = 'sent'")
        return {(Role(row["role"]), row["name"]): (row["attempt"], row["device"]) for row in rows}

    def devices(self) -> list[str]:
        """Names of every device that an attempt was sent to."""
        return [row["device"] for row in self._db.execute("SELECT DISTINCT device FROM attempts ORDER BY 1")]

    def retry(self, role: Role, name: str, attempt: int, failure: FailureClass | None, message: str) -> bool:
        """End an attempt and make its work pending again; False, nothing changed, unless it is the newest and open."""
        with self._db:
            self._db.execute("BEGIN")
            changed = self._db.execute(
                "UPDATE work SET state = 'pending' WHERE role = ? AND name = ? AND attempt = ? AND state = 'sent'",
                (role, name, attempt),
            ).rowcount
            if changed:
                self._end_attempt(role, name, attempt, Status.FAILED, failure, message)
        return bool(changed)

    def record(self, outcome: Outcome) -> bool:
        """Enter how an attempt ended; False, nothing changed, if it is not the newest or its end is entered already."""
        with self._db:
            self._db.execute("BEGIN")
            changed = self._db.execute(
                "UPDATE work SET state = 'done', status = ?, reason = ?, failure = ?, message = ?, traceback = ?,"
                " metrics = ?, digests = ?, key = ?, reused_from = ?, device = ?, duration_seconds = ?, finished = ?"
                " WHERE role = ? AND name = ? AND attempt = ? AND state = 'sent'",
                (
                    outcome.status, outcome.reason, outcome.failure, outcome.message, outcome.traceback,
                    json.dumps(outcome.metrics), json.dumps(outcome.digests), outcome.key, outcome.reused_from,
                    outcome.device, outcome.duration_seconds, time.time(), outcome.role, outcome.name, outcome.attempt,
                ),
            ).rowcount  # fmt: skip
            if changed:
                self._end_attempt(
                    outcome.role, outcome.name, outcome.attempt, outcome.status, outcome.failure, outcome.message
                )
        return bool(changed)

    def reopen(self, role: Role, names: Iterable[str]) -> None:
        """Make work pending again, whatever its state; the next attempt's number is higher than any before."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE work SET state = 'pending', status = NULL WHERE role = ? AND name = ?",
                [(role, n) for n in names],
            )

    def records(self, role: Role, *, ended: bool = False) -> Iterator[WorkRecord]:
        """All work of a role, or what has ended, by name; the ledger may be changed while it is read."""
        which = "role = ? AND name > ?" + (" AND status IS NOT NULL" if ended else "")
        last: str | None = ""
        while last is not None:
            rows = self._db.execute(
                f"SELECT * FROM work WHERE {which} ORDER BY name LIMIT {PAGE}", (role, last)
            ).fetchall()
            yield from map(_record, rows)
            last = rows[-1]["name"] if len(rows) == PAGE else None

    def record_of(self, role: Role, name: str) -> WorkRecord | None:
        """One piece of work; None if it was not entered."""
        row = self._db.execute("SELECT * FROM work WHERE role = ? AND name = ?", (role, name)).fetchone()
        return None if row is None else _record(row)

    def names(self, role: Role, *, ended: bool = False) -> set[str]:
        """Names of all work of a role, or of what has ended."""
        which = " AND status IS NOT NULL" if ended else ""
        return {row["name"] for row in self._db.execute(f"SELECT name FROM work WHERE role = ?{which}", (role,))}

    def untrained(self, role: Role) -> set[str]:
        """Names of the work of a role that did not succeed, or has not ended."""
        rows = self._db.execute("SELECT name FROM work WHERE role = ? AND status IS NOT 'success'", (role,))
        return {row["name"] for row in rows}

    def skips(self, role: Role) -> dict[str, SkipReason]:
        """The reason of each piece of work that was skipped, in the order of their names."""
        rows = self._db.execute(
            "SELECT name, reason FROM work WHERE role = ? AND status = 'skipped' ORDER BY name", (role,)
        )
        try:
            return {row["name"]: SkipReason(row["reason"]) for row in rows if row["reason"]}
        except ValueError as error:
            raise sqlite3.DatabaseError(f"the ledger is damaged at a {role}: {error}") from None

    def reused(self, role: Role) -> int:
        """How many successes were taken from other runs."""
        which = "role = ? AND status = 'success' AND reused_from IS NOT NULL"
        return int(self._db.execute(f"SELECT COUNT(*) FROM work WHERE {which}", (role,)).fetchone()[0])

    def counts(self, role: Role) -> dict[str, int]:
        """Count a role's work by status; `pending` counts what has not ended."""
        rows = self._db.execute(
            "SELECT COALESCE(status, 'pending') AS status, COUNT(*) AS n FROM work WHERE role = ? GROUP BY 1", (role,)
        )
        return {row["status"]: row["n"] for row in rows}

    def begin_phase(self, phase: Phase) -> None:
        """Open a phase, or open it again: a reopened phase keeps the seconds that it took before."""
        with self._db:
            self._db.execute(
                "INSERT INTO phases (name, status, started) VALUES (?, 'in_progress', ?) ON CONFLICT DO UPDATE SET"
                " status = excluded.status, started = excluded.started - COALESCE(ended - started, 0), ended = NULL,"
                " message = ''",
                (phase, time.time()),
            )

    def end_phase(self, phase: Phase, status: str, message: str = "") -> float:
        """Close a phase; returns its duration in seconds."""
        now = time.time()
        with self._db:
            row = self._db.execute(
                "UPDATE phases SET status = ?, ended = ?, message = ? WHERE name = ? RETURNING started",
                (status, now, message, phase),
            ).fetchone()
        return now - float(row["started"])

    def phases(self) -> list[PhaseRecord]:
        """Phases begun so far, in the order of the seven."""
        rows = {row["name"]: row for row in self._db.execute("SELECT * FROM phases")}
        return [PhaseRecord.model_validate(dict(rows[phase])) for phase in Phase if phase in rows]

    def set(self, **values: str) -> None:
        """Store facts about the run, such as its status."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR REPLACE INTO run (key, value) VALUES (?, ?)", values.items())

    def get(self, key: str) -> str | None:
        """A stored fact about the run; None if it is not stored."""
        row = self._db.execute("SELECT value FROM run WHERE key = ?", (key,)).fetchone()
        return row["value"] if row else None

    def _end_attempt(
        self, role: Role, name: str, attempt: int, status: Status, failure: FailureClass | None, message: str
    ) -> None:
        self._db.execute(
            "UPDATE attempts SET ended = ?, status = ?, failure = ?, message = ?"
            " WHERE role = ? AND name = ? AND attempt = ?",
            (time.time(), status, failure, message, role, name, attempt),
        )


def _record(row: sqlite3.Row) -> WorkRecord:
    """The record in a row; sqlite3.DatabaseError if the file is damaged there."""
    try:
        parsed = {name: json.loads(row[name]) for name in ("metrics", "digests")}
        return WorkRecord.model_validate(dict(row) | parsed)
    except (ValueError, TypeError, RecursionError, IndexError) as error:  # the last: its schema lacks a column
        raise sqlite3.DatabaseError(f"the ledger is damaged at {row['role']} {row['name']}: {error}") from None
