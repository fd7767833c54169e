"""Bars on their way from a source to the store: as the source returned them, then as cleaned."""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.contract.quality import Finding
from workers.bars.series import Floats, Ints, Series

# Maps a row, counted from 0, to the place where a user finds it: `FILE line N`.
Locate = Callable[[int], str]


@dataclass(frozen=True)
class RawBars:
    """One symbol's rows in the source's order, not yet checked.

    `timestamp` is microseconds since 1970 in UTC; `values` maps each column to a float64 array. Rows that could not be
    read are left out and named in `findings`. `adjusted`: the source took splits out of the prices itself.
    """

    timestamp: Ints
    values: dict[str, Floats]
    locate: Locate
    findings: list[Finding] = field(default_factory=list)
    adjusted: bool = False

    def __len__(self) -> int:
        return len(self.timestamp)


@dataclass(frozen=True)
class CleanBars:
    """Readable bars in time order, one per instant. `locate` takes a row of `series`, which may be empty."""

    series: Series
    locate: Locate
    findings: list[Finding]
