"""`history.jsonl`: who decided what about releases, a line each, only ever added to, each naming the one before.

A line is on disk before what depends on it is done. What a crash left half written at the end was never acted on: it
is passed over, and cut off by the next append.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from orchestrator.runs.identity import account
from schemas.contract.errors import RequestError
from schemas.contract.release import FIRST_LINK, Action, Entry


@dataclass(frozen=True)
class Line:
    """An entry and the digest of its line, which the next line names."""

    entry: Entry
    sha256: str


@dataclass
class History:
    """The whole log, verified, while its lock is held; `append` is the only way to change it."""

    path: Path
    lines: list[Line]
    _file: BinaryIO = field(repr=False)

    @property
    def entries(self) -> list[Entry]:
        """Entries in the order in which they were written."""
        return [line.entry for line in self.lines]

    def append(self, action: Action, who: str, **facts: Any) -> Line:
        """Add a line and flush it to disk."""
        entry = Entry(
            seq=len(self.lines) + 1,
            time=datetime.now(UTC),
            action=action,
            who=who,
            account=account(),
            previous_sha256=self.lines[-1].sha256 if self.lines else FIRST_LINK,
            **facts,
        )
        text = entry.model_dump_json().encode()
        self._file.write(text + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        line = Line(entry, hashlib.sha256(text).hexdigest())
        self.lines.append(line)
        return line


@contextmanager
def locked(path: Path) -> Iterator[History]:
    """Hold the log for this process and read it; RequestError if another holds it, or its chain is broken."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RequestError(f"{path} is held by another release command; wait for it") from None
        if is_new:
            flush_folder(path.parent)
        file.seek(0)
        content = file.read()
        lines, fault = _chain(content)
        if fault:
            raise RequestError(f"{path} {fault}; nothing is released on a log that was changed: restore it")
        file.truncate(content.rfind(b"\n") + 1)
        yield History(path, lines, file)


def read(path: Path) -> tuple[list[Line], str]:
    """All lines up to the first that does not belong, and what is wrong with that one, or an empty string."""
    return _chain(path.read_bytes()) if path.is_file() else ([], "")


def flush_folder(folder: Path) -> None:
    """Make the names in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _chain(content: bytes) -> tuple[list[Line], str]:
    lines: list[Line] = []
    previous = FIRST_LINK
    for number, text in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            entry = Entry.model_validate_json(text)
        except ValidationError as error:
            return lines, f"line {number} is damaged: {error.errors()[0]['msg']}"
        if entry.seq != number or entry.previous_sha256 != previous:
            return lines, f"line {number} does not follow from the line before: one of the two was changed or removed"
        previous = hashlib.sha256(text).hexdigest()
        lines.append(Line(entry, previous))
    return lines, ""
