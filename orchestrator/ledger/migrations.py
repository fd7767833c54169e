"""The ledger's schema as a list of named steps; the file stores the names of the steps that were applied to it.

To change the schema, add a function to the end of `MIGRATIONS` and never edit or rename one that was released.
"""

import re
import sqlite3
import time
from collections.abc import Callable

Migration = Callable[[sqlite3.Connection], None]

# `PRAGMA user_version` of a file that stores the names of its migrations. Earlier files have only a number.
NAMES_STORED = 3


def create_tables(db: sqlite3.Connection) -> None:
    """Create the tables of work, attempts, phases and facts about the run."""
    db.execute(
        "CREATE TABLE work ("
        " role TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'done')),"
        " attempt INTEGER NOT NULL DEFAULT 0, device TEXT, status TEXT, reason TEXT, failure TEXT,"
        " message TEXT NOT NULL DEFAULT '', traceback TEXT NOT NULL DEFAULT '', metrics TEXT NOT NULL DEFAULT '{}',"
        " digests TEXT NOT NULL DEFAULT '{}', duration_seconds REAL, finished REAL,"
        " PRIMARY KEY (role, name)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE attempts ("
        " role TEXT NOT NULL, name TEXT NOT NULL, attempt INTEGER NOT NULL, device TEXT NOT NULL,"
        " sent REAL NOT NULL, ended REAL, status TEXT, failure TEXT, message TEXT NOT NULL DEFAULT '',"
        " PRIMARY KEY (role, name, attempt)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE phases ("
        " name TEXT PRIMARY KEY, status TEXT NOT NULL, started REAL NOT NULL, ended REAL,"
        " message TEXT NOT NULL DEFAULT '') WITHOUT ROWID"
    )
    db.execute("CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


def add_artifact_keys(db: sqlite3.Connection) -> None:
    """Add an artifact's key, and the run that it was copied from."""
    db.execute("ALTER TABLE work ADD COLUMN key TEXT")
    db.execute("ALTER TABLE work ADD COLUMN reused_from TEXT")


def add_owner(db: sqlite3.Connection) -> None:
    """Add the process that runs the run, which was text before: `process 4054 on host`. Times are seconds since 1970.

    The start time and heartbeat of such a process are unknown.
    """
    db.execute(
        "CREATE TABLE owner ("
        " only INTEGER PRIMARY KEY CHECK (only = 1), pid INTEGER NOT NULL, host TEXT NOT NULL,"
        " started REAL, heartbeat REAL)"
    )
    text = db.execute("SELECT value FROM run WHERE key = 'owner'").fetchone()
    if text is not None and (match := re.fullmatch(r"process (\d+) on (.+)", text[0])):
        db.execute("INSERT INTO owner VALUES (1, ?, ?, NULL, NULL)", (int(match[1]), match[2]))
    db.execute("DELETE FROM run WHERE key = 'owner'")


def add_owner_identity(db: sqlite3.Connection) -> None:
    """Add the owner's machine: a host name may belong to two hosts or containers."""
    db.execute("ALTER TABLE owner ADD COLUMN machine TEXT")


MIGRATIONS: tuple[Migration, ...] = (create_tables, add_artifact_keys, add_owner, add_owner_identity)

# Migrations that were applied to a file that has only a number.
BY_NUMBER = {0: (), 1: (create_tables.__name__,), 2: (create_tables.__name__, add_artifact_keys.__name__)}


def applied(db: sqlite3.Connection) -> tuple[str, ...]:
    """Names of the migrations that were applied, in order. sqlite3.DatabaseError if this program lacks one of them."""
    number = db.execute("PRAGMA user_version").fetchone()[0]
    if number in BY_NUMBER:
        return BY_NUMBER[number]
    if number != NAMES_STORED:
        raise sqlite3.DatabaseError(
            f"it has version {number}, this program knows up to {NAMES_STORED}; use a newer one"
        )
    try:
        names = tuple(row[0] for row in db.execute("SELECT name FROM migrations ORDER BY rowid"))
    except UnicodeDecodeError:  # in SQLite's message about a damaged schema
        raise sqlite3.DatabaseError("its schema is damaged") from None
    known = {migration.__name__ for migration in MIGRATIONS}
    if unknown := [name for name in names if name not in known]:
        raise sqlite3.DatabaseError(f"it has the migration {unknown[0]}, which this program lacks; use a newer program")
    return names


def is_current(db: sqlite3.Connection) -> bool:
    """Whether every migration was applied."""
    return len(applied(db)) == len(MIGRATIONS)


def migrate(db: sqlite3.Connection) -> None:
    """Apply what is missing and store its names, in one transaction: a kill leaves the file as it was."""
    db.execute("BEGIN IMMEDIATE")
    try:
        before = applied(db)
        db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT NOT NULL UNIQUE, applied REAL NOT NULL)")
        recorded = {row[0] for row in db.execute("SELECT name FROM migrations")}
        for migration in MIGRATIONS:
            if migration.__name__ not in before:
                migration(db)
            if migration.__name__ not in recorded:
                db.execute("INSERT INTO migrations VALUES (?, ?)", (migration.__name__, time.time()))
        db.execute(f"PRAGMA user_version = {NAMES_STORED}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
