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
    """Concatenate pieces: files in the order of their first instants, and one that is newest first turned around.

    If there are no rows, `locate` returns `place`.
    """
    full = [piece for piece in pieces if len(piece)]
    if not full:
        empty = {name: np.empty(0) for name in COLUMNS}
        return RawBars(np.empty(0, dtype=np.int64), empty, lambda row: place, faults.findings())
    codes: dict[str, int] = {}
    known = [np.array([codes.setdefault(name, len(codes)) for name in piece.files]) for piece in full]
    file = _joined([places[piece.file] for places, piece in zip(known, full, strict=True)])
    timestamp, line = _joined([piece.timestamp for piece in full]), _joined([piece.line for piece in full])
    values = {name: _joined([piece.values[name] for piece in full]) for name in COLUMNS}
    order = _by_file(timestamp, file)
    if order is not None:
        timestamp, file, line = timestamp[order], file[order], line[order]
        values = {name: column[order] for name, column in values.items()}
    files, unit = tuple(codes), full[0].unit
    return RawBars(timestamp, values, lambda row: f"{files[file[row]]} {unit} {line[row]}", faults.findings())


def _by_file(timestamp: Ints, file: Ints) -> Ints | None:
    """Positions of the rows in the order that `gather` gives them; None if they are in time order as they are."""
    if (timestamp[1:] >= timestamp[:-1]).all():
        return None
    inside = file[1:] == file[:-1]
    later, earlier = (
        np.bincount(file[1:][inside & (step)], minlength=file.max() + 1)
        for step in (timestamp[1:] > timestamp[:-1], timestamp[1:] < timestamp[:-1])
    )
    newest_first = (earlier > 0) & (later == 0)
    _, place = np.unique(file, return_inverse=True)
    first = np.full(place.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, place, timestamp)
    row = np.arange(len(file))
    order: Ints = np.lexsort((np.where(newest_first[file], -row, row), file, first[place]))
    return order


def _joined(parts: list[NDArray[Value]]) -> NDArray[Value]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
