"""The durable record of a run: SQLite beside it, the only truth about what was asked, sent and done."""

import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from pydantic import BaseModel

from schemas.contract.errors import RequestError
from schemas.contract.run import Phase
from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.contract.window import SkipReason
from schemas.files.atomic import TEMPORARY_PREFIX

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE work (
    role TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'done')),
    attempt INTEGER NOT NULL DEFAULT 0, device TEXT, status TEXT, reason TEXT, failure TEXT,
    message TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '', metrics TEXT NOT NULL DEFAULT '{}',
    digests TEXT NOT NULL DEFAULT '{}', key TEXT, reused_from TEXT, duration_seconds REAL, finished REAL,
    PRIMARY KEY (role, name)
) WITHOUT ROWID;
CREATE TABLE attempts (
    role TEXT NOT NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL, device TEXT NOT NULL,
    sent REAL NOT NULL, ended REAL, status TEXT, failure TEXT, message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (role, name, attempt)
) WITHOUT ROWID;
CREATE TABLE phases (
    name TEXT PRIMARY KEY, status TEXT NOT NULL, started REAL NOT NULL, ended REAL, message TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


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
        return None if self.ended is None else self.ended - self.started


class Ledger:
    """Every method is one transaction; a kill between two leaves a state that `resume` understands.

    `read_only` is for whoever looks often while another process writes: it changes no byte and leaves no file.
    """

    _read_only = False

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if not path.is_file():
            raise RequestError(f"{path} does not exist; `orchestrator runs` lists the runs there are")
        self._read_only = read_only
        self._db = sqlite3.connect(_address(path, read_only), isolation_level=None, uri=True)
        self._db.row_factory = sqlite3.Row
        try:
            if not read_only:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if damage != "ok":
                    raise sqlite3.DatabaseError(damage)
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            self._db.close()
            raise RequestError(f"{path} cannot be used as a ledger: {error}") from None
        if version != SCHEMA_VERSION:
            self._db.close()
            raise RequestError(
                f"{path} is a ledger of version {version}, not {SCHEMA_VERSION}; use the program that wrote it"
            )

    @classmethod
    def in_memory(cls) -> "Ledger":
        """A ledger of work that is begun anew rather than resumed; it goes with the process."""
        ledger = cls.__new__(cls)
        ledger._db = sqlite3.connect(":memory:", isolation_level=None)
        ledger._db.row_factory = sqlite3.Row
        ledger._db.executescript(_SCHEMA)
        return ledger

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Create an empty ledger; FileExistsError if there is one already."""
        if path.exists():
            raise FileExistsError(path)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary)) as db:
            db.executescript(f"{_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")
        temporary.rename(path)
        return cls(path)

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        if not self._read_only:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def add(self, role: Role, names: Iterable[str]) -> None:
        """Enter work as pending; what is entered already stays as it is."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR IGNORE INTO work (role, name, state) VALUES (?, ?, 'pending')", [(role, n) for n in names]
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
        """(role, name) -> (attempt, device) of all that was sent and has not ended."""
        rows = self._db.execute("SELECT role, name, attempt, device FROM work WHERE state = 'sent'")
        return {(Role(row["role"]), row["name"]): (row["attempt"], row["device"]) for row in rows}

    def devices(self) -> list[str]:
        """Every device that anything was ever sent to."""
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
        """Enter how an attempt ended; False (and nothing changed) if it is not the newest or came before."""
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
        """Make work pending again whatever it was; the next attempt's number is higher than any before."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE work SET state = 'pending', status = NULL WHERE role = ? AND name = ?",
                [(role, n) for n in names],
            )

    def records(self, role: Role) -> list[WorkRecord]:
        """All work of a role, by name."""
        rows = self._db.execute("SELECT * FROM work WHERE role = ? ORDER BY name", (role,)).fetchall()
        return [
            WorkRecord.model_validate(
                dict(row) | {"metrics": json.loads(row["metrics"]), "digests": json.loads(row["digests"])}
            )
            for row in rows
        ]

    def counts(self, role: Role) -> dict[str, int]:
        """How many of a role ended in each status; key `pending` for what has not ended."""
        rows = self._db.execute(
            "SELECT COALESCE(status, 'pending') AS status, COUNT(*) AS n FROM work WHERE role = ? GROUP BY 1", (role,)
        )
        return {row["status"]: row["n"] for row in rows}

    def begin_phase(self, phase: Phase) -> None:
        """Open a phase, or open it again: what it took before, if it ended, counts as if it had been just now."""
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


def _address(path: Path, read_only: bool) -> str:
    """SQLite's URI of a ledger. One without a write-ahead log has no writer: reading it must not make it a log."""
    address = path.absolute().as_uri()
    if not read_only:
        return address
    settled = not path.with_name(f"{path.name}-wal").exists()
    return f"{address}?mode=ro{'&immutable=1' if settled else ''}"
