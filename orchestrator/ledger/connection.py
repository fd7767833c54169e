"""Opens a ledger's file: to write, which brings its schema up to date, or to read, which changes no byte."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from orchestrator.ledger.migrations import is_current, migrate
from schemas.files.file_system import network_file_system

BUSY_S = 5.0


class _Connection(sqlite3.Connection):
    """Reads any bytes in a text, and raises sqlite3.DatabaseError where a damaged schema names a column so."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.text_factory = lambda content: content.decode(errors="replace")

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        try:
            return super().execute(*arguments)
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError(f"its schema is damaged: {error}") from None


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open and migrate an older schema. sqlite3.Error if the file is damaged or newer.

    With a write-ahead log, except on a network file system: its index would be in memory that hosts do not share.
    """
    db = sqlite3.connect(path.absolute().as_uri(), isolation_level=None, uri=True, timeout=BUSY_S, factory=_Connection)
    try:
        if network_file_system(path) is None:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
        elif _has_write_ahead_log(path):  # it was moved there; exclusive access needs no shared memory
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=DELETE")
            db.execute("PRAGMA locking_mode=NORMAL")
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

    What a killed process left half-written, which a reader cannot undo in place, is read from a copy.
    sqlite3.Error if the file cannot be read or is newer.
    """
    db = sqlite3.connect(_read_only_uri(path), isolation_level=None, uri=True, timeout=timeout_s, factory=_Connection)
    try:
        if is_current(db):
            return db
    except sqlite3.OperationalError as error:
        db.close()
        # Errors that Python itself raises have no code.
        half_written = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_ROLLBACK
        if not os.access(path, os.R_OK) or (os.access(path.parent, os.W_OK) and not half_written):
            raise
        return _migrated(_copied_elsewhere(path))
    except BaseException:
        db.close()
        raise
    with closing(db):
        return _migrated(_in_memory(db))


def _migrated(copy: sqlite3.Connection) -> sqlite3.Connection:
    """A copy in memory with the present schema, that no statement may change."""
    try:
        migrate(copy)
        copy.execute("PRAGMA query_only = ON")
    except BaseException:
        copy.close()
        raise
    return copy


def _in_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None, factory=_Connection)
    try:
        db.backup(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def _copied_elsewhere(path: Path) -> sqlite3.Connection:
    """The ledger with its write-ahead log or journal, read in a folder where SQLite can apply them."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal", "-journal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            return _in_memory(db)


def _read_only_uri(path: Path) -> str:
    """SQLite's URI. A file of that mode without its log has no writer; reading it as immutable creates none."""
    has_no_writer = _has_write_ahead_log(path) and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if has_no_writer else ''}"


def stamp_of(path: Path) -> tuple[tuple[int, int], ...]:
    """Time of the last write in ns and size of a ledger and its write-ahead log, 0 and 0 for a file that is missing.

    Both differ after each write: the ledger's own file alone does not change until the log is copied into it.
    """
    return tuple(written(file) for file in (path, path.with_name(f"{path.name}-wal")))


def written(file: Path) -> tuple[int, int]:
    """Time of the last write in ns and size of a file, 0 and 0 if it is missing."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _has_write_ahead_log(path: Path) -> bool:
    """Whether the file is in that mode, by SQLite's header."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
