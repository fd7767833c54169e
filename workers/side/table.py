"""Values of side data in memory, and which of them is known at an instant."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workers.bars.series import Floats, Ints

# The owner of values that all symbols share.
SHARED = ""


@dataclass(frozen=True, eq=False)
class Values:
    """Rows of one symbol in the order in which they became known, then by time; `values` has shape (rows, columns).

    `time` is what a row is about, `known_at` when it was known, both microseconds since 1970 in UTC.
    """

    time: Ints
    known_at: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.time)

    @cached_property
    def _newest(self) -> Ints:
        """For each row the row that is newest by then: of the latest time so far, the last that was known."""
        latest = np.maximum.accumulate(self.time)
        newest: Ints = np.maximum.accumulate(np.where(self.time == latest, np.arange(len(self)), 0))
        return newest

    def as_of(self, instants: Ints) -> tuple[Ints, Floats]:
        """Time and values of the newest row known at each instant; NaN, and time 0, where none is known."""
        found = np.full((len(instants), self.values.shape[1]), np.nan)
        time = np.zeros(len(instants), dtype=np.int64)
        last = np.searchsorted(self.known_at, instants, side="right") - 1
        known = last >= 0
        rows = self._newest[last[known]] if len(self) else last[known]
        found[known], time[known] = self.values[rows], self.time[rows]
        return time, found

    def upto(self, instant: int) -> "Values":
        """The rows that are known at an instant."""
        known = int(np.searchsorted(self.known_at, instant, side="right"))
        return Values(self.time[:known], self.known_at[:known], self.values[:known])

    def poisoned(self, instant: int, rng: np.random.Generator) -> "Values":
        """The rows with other values in those that are known later than an instant."""
        known = int(np.searchsorted(self.known_at, instant, side="right"))
        values = self.values.copy()
        later = values[known:]
        values[known:] = later * np.exp(rng.normal(0.0, 1.0, later.shape)) + rng.normal(0.0, 1.0, later.shape)
        return replace(self, values=values)


@dataclass(frozen=True, eq=False)
class SideTable:
    """A file of side data: the names of its columns, and the rows of each symbol, or of SHARED alone.

    `max_age_us`: a value whose time is longer before an instant is missing there; None: none is too old.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, Values]
    max_age_us: int | None = None

    @property
    def by_symbol(self) -> bool:
        """Whether symbols have values of their own."""
        return SHARED not in self.rows

    def as_of(self, symbol: str, instants: Ints) -> Floats:
        """Values that are known of a symbol at each instant, shape (instants, columns); NaN where none is."""
        mine = self._of(symbol)
        if mine is None:
            return np.full((len(instants), len(self.columns)), np.nan)
        time, found = mine.as_of(instants)
        if self.max_age_us is not None:
            found[instants - time > self.max_age_us] = np.nan
        return found

    def age_us(self, symbol: str, instant: int) -> int | None:
        """How long ago the time of the newest value is that is known at an instant; None if there is none."""
        mine = self._of(symbol)
        if mine is None or not len(mine.upto(instant)):
            return None
        return instant - int(mine.as_of(np.array([instant]))[0][0])

    def _of(self, symbol: str) -> Values | None:
        return self.rows.get(symbol if self.by_symbol else SHARED)
