"""Opens a ledger's file: to write, which brings its schema up to date, or to read, which changes no byte."""

import sqlite3
from contextlib import closing
from pathlib import Path

from orchestrator.ledger.migrations import is_current, migrate

BUSY_S = 5.0


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open with a write-ahead log and migrate an older schema. sqlite3.Error if the file is damaged or newer."""
    db = sqlite3.connect(path.absolute().as_uri(), isolation_level=None, uri=True, timeout=BUSY_S)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)
        if not is_current(db):
            migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(path: Path, *, timeout_s: float = BUSY_S) -> sqlite3.Connection:
    """Open without writing; a file of an older schema is copied into memory and migrated there.

    sqlite3.Error if the file cannot be read or is newer.
    """
    db = sqlite3.connect(_read_only_uri(path), isolation_level=None, uri=True, timeout=timeout_s)
    try:
        if is_current(db):
            return db
    except BaseException:
        db.close()
        raise
    with closing(db):
        copy = sqlite3.connect(":memory:", isolation_level=None)
        db.backup(copy)
    migrate(copy)
    copy.execute("PRAGMA query_only = ON")
    return copy


def _read_only_uri(path: Path) -> str:
    """SQLite's URI. A file without a write-ahead log has no writer; reading it as immutable creates none."""
    has_writer = path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'' if has_writer else '&immutable=1'}"
