"""A full disk: a run ends, since it cannot record what it does, and goes on once there is room."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.contract.command_line import command_line
from schemas.contract.errors import DiskFullError
from schemas.files.layout import RunLayout


def is_full(error: BaseException) -> bool:
    """Whether an error is that of a disk without room, or without room for this user."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def naming_full_disk(layout: RunLayout) -> Iterator[None]:
    """Raise DiskFullError, with what to do, for an error of a full disk around the work of a run."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if not is_full(error):
            raise
        again = f"remove {layout.folder} and start the run again"
        if layout.ledger.is_file():
            again = f"then: {command_line('resume', layout.folder.name, data_dir=layout.data_dir)}"
        raise DiskFullError(f"the disk of {layout.folder} is full ({error}); free some, {again}") from None
