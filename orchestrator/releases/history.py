"""`history.jsonl`: who decided what about releases. Lines are only added, and each has the digest of the one before.

A line is flushed to disk before the change that depends on it is made.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from orchestrator.runs.identity import account
from schemas.contract.errors import RequestError
from schemas.contract.release import FIRST_LINK, Action, Entry, Environment
from schemas.files.jsonl_log import append_line, cut_half_line, locked_log, read_log, whole_lines


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
        append_line(self._file, text)
        line = Line(entry, hashlib.sha256(text).hexdigest())
        self.lines.append(line)
        return line


@contextmanager
def locked(path: Path) -> Iterator[History]:
    """Hold the log for this process and read it; RequestError if another holds it, or its chain is broken."""
    try:
        with locked_log(path, wait=False) as file:
            content = read_log(file)
            lines, fault = _chain(content)
            if fault:
                raise RequestError(f"{path} {fault}; no release command works until the log is restored")
            cut_half_line(file, content)
            yield History(path, lines, file)
    except BlockingIOError as error:
        who = f" ({error})" if error.errno is None else ""
        raise RequestError(f"{path} is held by another release command{who}; wait for it") from None


def read(path: Path) -> tuple[list[Line], str]:
    """All lines before the first that breaks the chain, and what is wrong with that one, or an empty string."""
    return _chain(path.read_bytes()) if path.is_file() else ([], "")


def _chain(content: bytes) -> tuple[list[Line], str]:
    lines: list[Line] = []
    previous, deployed = FIRST_LINK, Counter[Environment]()
    for number, text in enumerate(whole_lines(content), start=1):
        try:
            entry = Entry.model_validate_json(text)
        except ValidationError as error:
            return lines, f"line {number} is damaged: {error.errors()[0]['msg']}"
        if entry.seq != number or entry.previous_sha256 != previous:
            return lines, f"line {number} does not follow from the line before: one of the two was changed or removed"
        if not _is_possible(entry, deployed):
            return lines, f"line {number} is of a switch that no command makes"
        previous = hashlib.sha256(text).hexdigest()
        lines.append(Line(entry, previous))
    return lines, ""


def _is_possible(entry: Entry, deployed: Counter[Environment]) -> bool:
    """Whether a switch names its release and environment, and a rollback has a release before; counts deployments."""
    if entry.action in (Action.APPROVED, Action.REJECTED):
        return True
    if entry.release_id is None or entry.environment is None:
        return False
    deployed[entry.environment] += {Action.DEPLOYED: 1, Action.ROLLED_BACK: -1}.get(entry.action, 0)
    return deployed[entry.environment] >= 0
