"""Rows of one symbol in pieces, as files are read, and their concatenation."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from workers.bars.files.faults import Faults
from workers.bars.raw_bars import Locate, RawBars
from workers.bars.series import COLUMNS, Floats, Ints


@dataclass(frozen=True)
class Rows:
    """A piece of one symbol's rows: microseconds since 1970 in UTC, a float64 array per column, and locations."""

    timestamp: Ints
    values: dict[str, Floats]
    locate: Locate

    def __len__(self) -> int:
        return len(self.timestamp)


def gather(pieces: Sequence[Rows], faults: Faults, place: str) -> RawBars:
    """Concatenate pieces in their order. If there are no rows, `locate` returns `place`."""
    full = [piece for piece in pieces if len(piece)]
    if not full:
        empty = {name: np.empty(0) for name in COLUMNS}
        return RawBars(np.empty(0, dtype=np.int64), empty, lambda row: place, faults.findings())
    if len(full) == 1:
        return RawBars(full[0].timestamp, full[0].values, full[0].locate, faults.findings())
    return RawBars(
        np.concatenate([piece.timestamp for piece in full]),
        {name: np.concatenate([piece.values[name] for piece in full]) for name in COLUMNS},
        chain([len(piece) for piece in full], [piece.locate for piece in full]),
        faults.findings(),
    )


def chain(lengths: Sequence[int], locates: Sequence[Locate]) -> Locate:
    """A Locate for concatenated pieces of these lengths (none of them 0), from the Locate of each piece."""
    starts = [0, *accumulate(lengths)][:-1]

    def locate(row: int) -> str:
        piece = bisect.bisect_right(starts, row) - 1
        return locates[piece](row - starts[piece])

    return locate
