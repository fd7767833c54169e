"""The errors with a message for the user: one class per kind, with its exit code.

Every message is one line: what happened, where, what to do next.
"""

import signal
from collections.abc import Sequence
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import ClassVar

from schemas.contract.command_line import command_line


class ExitCode(IntEnum):
    """The exit codes of all programs; `workers start` ends with 0 where Ctrl-C ends its workers."""

    DONE = 0
    REFUSED = 2  # the request cannot be carried out as written
    FAILED = 3  # a phase, a check or the machine failed
    STOPPED = 130  # a signal or `orchestrator cancel` stopped it


class GurukulError(Exception):
    """Base class of every error with a message for the user; the error boundary prints it and exits with its code."""

    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED


class RequestError(GurukulError):
    """The request cannot be carried out as written: a flag, symbol, date, folder or broker is wrong."""


class HeldError(RequestError):
    """Another process runs the run, or did so a moment ago: it can be tried again."""


class RunNotFoundError(RequestError):
    """No run of that name is stored under the data folder."""

    def __init__(self, run_id: str, data_dir: str | Path, names: Sequence[str] = ()) -> None:
        near = f" (near: {', '.join(found)})" if (found := get_close_matches(run_id, names)) else ""
        super().__init__(
            f"there is no run {run_id} under {Path(data_dir) / 'models'}{near};"
            f" `{command_line('runs', data_dir=data_dir)}` lists the runs"
        )


class DataError(GurukulError):
    """Bars or artifacts are missing, malformed or changed since the run began; a retry cannot help."""


class FileError(DataError):
    """A stored file is missing, damaged, or was written by another version."""


class StoreError(GurukulError):
    """The store refuses a request or does not answer; it may do so later."""

    exit_code = ExitCode.FAILED


class DiskFullError(GurukulError):
    """A disk has no room for what must be recorded."""

    exit_code = ExitCode.FAILED


class PhaseError(GurukulError):
    """A phase could not do its work; the run ends as failed."""

    exit_code = ExitCode.FAILED


class FinalError(PhaseError):
    """A phase would fail again in the same way: the run cannot be resumed to its end."""


class Stopped(GurukulError):
    """Something outside stopped the run; it can be resumed."""

    exit_code = ExitCode.STOPPED


class Interrupted(Stopped):
    """SIGINT or SIGTERM stopped the run."""

    def __init__(self, signal_number: int) -> None:
        named = "Ctrl-C" if signal_number == signal.SIGINT else signal.Signals(signal_number).name
        super().__init__(f"stopped by {named}")
        self.signal_number = signal_number


class Cancelled(Stopped):
    """`orchestrator cancel` stopped the run."""
