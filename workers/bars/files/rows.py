"""Rows in pieces, as files are read, and their concatenation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workers.bars.files.faults import Faults
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS, Floats, Ints

Small = NDArray[np.int32]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Rows:
    """A piece of rows: microseconds since 1970 in UTC, a float64 array per column, and where each row is.

    Row i is in `files[file[i]]` at the number `line[i]`, from 1, of a line or, as `unit` has it, of a row.
    `owner[i]` is the place of its symbol in `owners`, if the files hold many symbols; `owners` are as files have them.
    """

    timestamp: Ints
    values: dict[str, Floats]
    files: tuple[str, ...]
    file: Small
    line: Small
    unit: str = "line"
    owners: tuple[str, ...] = ()
    owner: Small | None = None

    def __len__(self) -> int:
        return len(self.timestamp)

    def taken(self, rows: Ints) -> "Rows":
        """Some of the rows, in this order."""
        values = {name: column[rows] for name, column in self.values.items()}
        owner = None if self.owner is None else self.owner[rows]
        return Rows(
            self.timestamp[rows], values, self.files, self.file[rows], self.line[rows], self.unit, self.owners, owner
        )


def gather(pieces: Sequence[Rows], faults: Faults, place: str) -> RawBars:
    """Concatenate pieces in their order. If there are no rows, `locate` returns `place`."""
    full = [piece for piece in pieces if len(piece)]
    if not full:
        empty = {name: np.empty(0) for name in COLUMNS}
        return RawBars(np.empty(0, dtype=np.int64), empty, lambda row: place, faults.findings())
    files = tuple(name for piece in full for name in piece.files)
    before = np.cumsum([0, *[len(piece.files) for piece in full]])[:-1]
    file = _joined([piece.file + offset for piece, offset in zip(full, before, strict=True)])
    line, unit = _joined([piece.line for piece in full]), full[0].unit
    return RawBars(
        _joined([piece.timestamp for piece in full]),
        {name: _joined([piece.values[name] for piece in full]) for name in COLUMNS},
        lambda row: f"{files[file[row]]} {unit} {line[row]}",
        faults.findings(),
    )


def _joined(parts: list[NDArray[Value]]) -> NDArray[Value]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
