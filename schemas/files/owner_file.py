"""An owner file beside a file: one process at a time, where the file system has no locks or grants one twice.

Its creation is exclusive on every file system. It names the process, which renews it for as long as it owns the file;
one that a killed process left is taken over.
"""

import os
import platform
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field, ValidationError

from schemas.contract.base import Frozen
from schemas.contract.instant import Instant
from schemas.contract.machine import this_machine
from schemas.contract.process import still_runs
from schemas.files.modes import FILE_MODE

# Of an owner on another machine only the time of its last renewal is known.
RENEWAL_S, EXPIRY_S = 15.0, 120.0
LOOK_S = 0.05


class FileOwner(Frozen):
    """The process that owns a file since `since`. `token` makes each owner file different."""

    pid: int = Field(gt=0, lt=2**31)
    host: str
    machine: str
    since: Instant
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since:%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def owned(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Own `path` by the file `<path>.owner`; BlockingIOError names another owner, if `wait` is False."""
    file, mine = path.with_name(f"{path.name}.owner"), _this_process()
    while not _taken(file, mine):
        other = _read(file)
        if _is_gone(file, other):
            _remove_of(file, other)
        elif wait:
            time.sleep(LOOK_S)
        elif file.exists():
            raise BlockingIOError(f"{other or 'a process'}; if that has ended, remove {file}")
    try:
        with _renewed(file, mine):
            yield
    finally:
        if _read(file) == mine:  # else it was taken over
            file.unlink(missing_ok=True)


@contextmanager
def _renewed(file: Path, mine: FileOwner) -> Iterator[None]:
    """Renew the owner file, by its time of change, until the block ends."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEWAL_S):
            with suppress(OSError):
                if _read(file) == mine:
                    os.utime(file)

    thread = threading.Thread(target=renew, name=f"renews {file.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _this_process() -> FileOwner:
    now = datetime.now(UTC)
    return FileOwner(
        pid=os.getpid(), host=platform.node(), machine=this_machine(), since=now, token=secrets.token_hex(8)
    )  # fmt: skip


def _taken(file: Path, mine: FileOwner) -> bool:
    """Create the owner file; False if there is one."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(mine.model_dump_json())
        opened.flush()
        os.fsync(opened.fileno())
    return True


def _read(file: Path) -> FileOwner | None:
    """The owner; None if there is none, or its process has written nothing yet."""
    try:
        return FileOwner.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _is_gone(file: Path, owner: FileOwner | None) -> bool:
    """Whether its process has ended: for certain on this machine, on another one by the age of the last renewal.

    The age is by the clock of the file system, because the clocks of two machines may differ.
    """
    if owner is not None and owner.machine == this_machine():
        with suppress(FileNotFoundError):
            # It ran when it last renewed the file; the clock of the file system may be behind that of this machine.
            return not still_runs(owner.pid, max(file.stat().st_mtime, owner.since.timestamp()))
        return False
    with suppress(FileNotFoundError), tempfile.TemporaryFile(dir=file.parent) as now:
        return os.fstat(now.fileno()).st_mtime - file.stat().st_mtime > EXPIRY_S
    return False


def _remove_of(file: Path, gone: FileOwner | None) -> None:
    """Remove the file of an owner that is gone: one process alone can rename it, and puts back what is another's."""
    aside = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    with suppress(FileNotFoundError):
        file.rename(aside)
        if _read(aside) != gone and not file.exists():
            aside.rename(file)
        else:
            aside.unlink()
