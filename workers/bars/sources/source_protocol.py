"""Bars as a source hands them over: in its order, not yet checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from schemas.contract.quality import Finding
from workers.bars.series import Floats, Ints, Series

# Row from 0 -> where a person finds it: `FILE line N`.
Locate = Callable[[int], str]


@dataclass(frozen=True)
class RawBars:
    """One symbol's rows; `timestamp` is microseconds since 1970 in UTC, `values` has one float64 array a column.

    Rows that could not be read are left out; `findings` says which. `adjusted`: the source did that already.
    """

    timestamp: Ints
    values: dict[str, Floats]
    locate: Locate
    findings: list[Finding] = field(default_factory=list)
    adjusted: bool = False

    def __len__(self) -> int:
        return len(self.timestamp)


class Source(Protocol):
    """Where bars come from. Both methods raise RequestError for what a person must change in the request.

    `timezone` is the one in which the exchange's days begin.
    """

    timezone: str

    def symbols(self) -> list[str]:
        """Every name that has bars here."""

    def read(self, symbol: str) -> RawBars:
        """All rows of one symbol."""


@dataclass(frozen=True)
class CleanBars:
    """Readable bars in order, one an instant; `locate` takes a row of `series`. `series` may be empty."""

    series: Series
    locate: Locate
    findings: list[Finding]
