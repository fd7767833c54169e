"""Ledgers of earlier versions are read without a change, and migrated before they are written."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import read_snapshot
from orchestrator.ledger.migrations import MIGRATIONS, applied
from orchestrator.ledger.run_status import Owner
from schemas.contract.errors import FileError
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status

NAMES = ("create_tables", "add_artifact_keys", "add_owner", "add_owner_identity")

# The schemas as versions 1 and 2 of the ledger had them.
WORK = (
    "CREATE TABLE work (role TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN"
    " ('pending', 'sent', 'done')), attempt INTEGER NOT NULL DEFAULT 0, device TEXT, status TEXT, reason TEXT,"
    " failure TEXT, message TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '', metrics TEXT NOT NULL DEFAULT"
    " '{{}}', digests TEXT NOT NULL DEFAULT '{{}}',{keys} duration_seconds REAL, finished REAL,"
    " PRIMARY KEY (role, name)) WITHOUT ROWID;"
)
OTHERS = (
    "CREATE TABLE attempts (role TEXT NOT NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL, device TEXT NOT NULL,"
    " sent REAL NOT NULL, ended REAL, status TEXT, failure TEXT, message TEXT NOT NULL DEFAULT '', PRIMARY KEY (role,"
    " name, attempt)) WITHOUT ROWID;"
    "CREATE TABLE phases (name TEXT PRIMARY KEY, status TEXT NOT NULL, started REAL NOT NULL, ended REAL, message TEXT"
    " NOT NULL DEFAULT '') WITHOUT ROWID;"
    "CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
)
SCHEMAS = {1: WORK.format(keys="") + OTHERS, 2: WORK.format(keys=" key TEXT, reused_from TEXT,") + OTHERS}


def write_old(path: Path, version: int, status: str = "ready-for-review") -> Path:
    """A ledger of one trained teacher, as `version` wrote it on another host."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(f"{SCHEMAS[version]} PRAGMA user_version = {version};")
        db.execute(
            "INSERT INTO work (role, name, state, attempt, status, metrics) VALUES (?, ?, ?, ?, ?, ?)",
            ("teacher", "A", "done", 3, "success", '{"rounds": 7}'),
        )
        db.executemany("INSERT INTO run VALUES (?, ?)", {"status": status, "owner": "process 4054 on old host"}.items())
    return path


def schema_of(path: Path) -> set[tuple[str, str, str]]:
    """(table, column, type) of everything in a file."""
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {(table, row[1], row[2]) for table in tables for row in db.execute(f"PRAGMA table_info({table})")}


def names_in(path: Path) -> tuple[str, ...]:
    """Names of the migrations that a file stores."""
    with closing(sqlite3.connect(path)) as db:
        return applied(db)


def test_a_new_ledger_stores_the_names_of_all_migrations(tmp_path: Path) -> None:
    """The names are part of every file from now on: a rename of a released migration fails here."""
    path = tmp_path / "ledger.db"
    Ledger.create(path).close()
    assert names_in(path) == tuple(each.__name__ for each in MIGRATIONS) == NAMES


@pytest.mark.parametrize("version", SCHEMAS)
def test_an_old_ledger_is_read_without_a_change(version: int, tmp_path: Path) -> None:
    """Both readers see the current schema; the file keeps its bytes and its folder no other file."""
    path = write_old(tmp_path / "ledger.db", version)
    before = path.read_bytes()
    with closing(Ledger(path, read_only=True)) as ledger:
        (record,) = ledger.records(Role.TEACHER)
        assert (record.status, record.attempt, record.metrics, record.key) == (Status.SUCCESS, 3, {"rounds": 7}, None)
        assert ledger.owner() == Owner(4054, "old host")
        assert ledger.condition().status is RunStatus.READY
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger.set(status="running")
    assert read_snapshot(path).work == {("teacher", "success"): 1}
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("version", SCHEMAS)
def test_an_old_ledger_is_migrated_before_it_is_written(version: int, tmp_path: Path) -> None:
    """Afterwards it has the schema of a new one, its own rows, and the names of what was applied."""
    path = write_old(tmp_path / "ledger.db", version)
    Ledger(path).close()
    Ledger.create(tmp_path / "new.db").close()
    assert schema_of(path) == schema_of(tmp_path / "new.db")
    assert names_in(path) == NAMES
    with closing(Ledger(path)) as ledger:
        assert [record.attempt for record in ledger.records(Role.TEACHER)] == [3]
        assert (ledger.owner(), ledger.get("owner")) == (Owner(4054, "old host"), None)


@pytest.mark.parametrize("text", [None, "process x on y", "a name"])
def test_an_owner_that_cannot_be_parsed_is_no_owner(text: str | None, tmp_path: Path) -> None:
    """A run that is recorded as running by an unknown process is interrupted."""
    path = write_old(tmp_path / "ledger.db", 2, status="running")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM run WHERE key = 'owner'")
        if text is not None:
            db.execute("INSERT INTO run VALUES ('owner', ?)", (text,))
    with closing(Ledger(path)) as ledger:
        assert (ledger.owner(), ledger.condition().status) == (None, RunStatus.INTERRUPTED)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_kill_in_the_middle_leaves_the_ledger_as_it_was(name: str, tmp_path: Path) -> None:
    """SIGKILL right after one of the migrations, before the commit: the next opening migrates it whole."""
    path = write_old(tmp_path / "ledger.db", 1)
    before = schema_of(path)
    code = (
        "import os, pathlib, signal, sys\n"
        "from orchestrator.ledger import migrations\n"
        "from orchestrator.ledger.ledger import Ledger\n"
        "def killed(step):\n"
        "    def run(db):\n"
        "        step(db)\n"
        "        if step.__name__ == sys.argv[2]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    run.__name__ = step.__name__\n"
        "    return run\n"
        "migrations.MIGRATIONS = tuple(map(killed, migrations.MIGRATIONS))\n"
        "Ledger(pathlib.Path(sys.argv[1]))\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path), name], capture_output=True, text=True)
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert schema_of(path) == before and names_in(path) == NAMES[:1]
    Ledger(path).close()
    assert names_in(path) == NAMES


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the last migration takes back those before it, and the file is named."""
    path = write_old(tmp_path / "ledger.db", 1)
    before = schema_of(path)

    def broken(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE gone ADD COLUMN x")

    monkeypatch.setattr("orchestrator.ledger.migrations.MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(FileError, match=r"ledger\.db cannot be used as a ledger: no such table"):
        Ledger(path)
    assert schema_of(path) == before


def test_a_ledger_with_an_unknown_migration_is_refused(tmp_path: Path) -> None:
    """A newer program added a step: its name is in the error, for readers and writers."""
    path = tmp_path / "ledger.db"
    Ledger.create(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO migrations VALUES ('add_tomorrow', 0)")
    for read_only in (True, False):
        with pytest.raises(FileError, match="add_tomorrow, which this program lacks; use a newer program"):
            Ledger(path, read_only=read_only)
