"""Two files by which a worker process reports to its supervisor: that it has worked, and its last error."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from schemas.contract.errors import ExitCode, GurukulError

# Path of both files without their suffix. Without it, as in a test, nothing is written.
REPORT_ENV = "GURUKUL_WORKER_REPORT"

LONGEST_ERROR = 500

# Parts of errors, and what removes their cause.
REMEDIES = {
    "channel": "allow the broker's user all channels: ACL SETUSER NAME allchannels",
    "NoPermissionError": "give the broker's user the rules that `orchestrator acl` prints",
    "max number of clients": "raise the broker's maxclients, or use fewer --devices",
    "OOM": "raise the broker's maxmemory",
    "READONLY": "give the URL of the primary",
    "Read-only file system": "make /dev/shm and the folder of temporary files writable",
    "No space left": "free space in /dev/shm and in the folder of temporary files",
    "unknown command": "use Redis 6.2 or newer, or Valkey, with that command enabled",
}


class WorkersFailed(GurukulError):
    """No worker of this host can work, and starting them again does not help."""

    exit_code = ExitCode.FAILED


@dataclass(frozen=True)
class Report:
    """The two files of a device's worker."""

    path: str

    @property
    def _worked(self) -> Path:
        return Path(f"{self.path}.worked")

    @property
    def _error(self) -> Path:
        return Path(f"{self.path}.error")

    def begin(self) -> None:
        """Remove the report of an earlier start."""
        for path in (self._worked, self._error):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def note_work(self) -> None:
        """Record that an attempt has ended here."""
        with suppress(OSError):
            self._worked.touch()

    def note_error(self, text: str) -> None:
        """Replace the last error."""
        with suppress(OSError):
            self._error.write_text(" ".join(text.split())[:LONGEST_ERROR], encoding="utf-8")

    def has_worked(self) -> bool:
        """Whether the device's worker has ended an attempt since it was started."""
        return self._worked.exists()

    def error(self) -> str:
        """The last error of the device's worker since it was started; empty if there is none."""
        return self._error.read_text(encoding="utf-8") if self._error.exists() else ""


class ErrorKeeper(logging.Handler):
    """Keeps the last logged error in a report."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.ERROR)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the exception of a record, which Celery's message shortens, or else its message."""
        error = record.exc_info[1] if record.exc_info else None
        self._report.note_error(f"{type(error).__name__}: {error}" if error is not None else record.getMessage())


def own_report() -> Report | None:
    """The report of this worker process; None if nothing supervises it."""
    path = os.environ.get(REPORT_ENV)
    return Report(path) if path else None


@contextmanager
def reporting() -> Iterator[None]:
    """Report what ends this process: the text of its SystemExit, or an exception."""
    report = own_report()
    try:
        yield
    except SystemExit as error:
        if report is not None and isinstance(error.code, str):
            report.note_error(error.code)
        raise
    except BaseException as error:
        if report is not None:
            report.note_error(f"{type(error).__name__}: {error}")
        raise


def remedy(error: str) -> str:
    """What removes the cause of an error."""
    found = (step for part, step in REMEDIES.items() if part in error)
    return next(found, "correct that, then start again")
