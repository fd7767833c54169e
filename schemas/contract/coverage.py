"""Summary of a symbol's stored bars and their quality, or why they were rejected."""

from datetime import date, datetime
from typing import Self

from pydantic import Field, model_validator

from schemas.contract.base import Frozen
from schemas.contract.identifiers import Symbol
from schemas.contract.quality import Finding, Verdict
from schemas.contract.window import SkipReason


class Gap(Frozen):
    """Consecutive sessions of the exchange's calendar without a bar."""

    first: date
    last: date
    sessions: int


# Rises are stored for 2**0 to 2**RISE_DOUBLINGS bars, which is more than the longest horizon.
RISE_DOUBLINGS = 9


class Rises(Frozen):
    """Rises of a symbol within 1, 2, 4, ... 512 bars, as fractions, intraday within a session.

    `largest`: fewer bars than a class of labels needs rise further. `usual`: 1 bar in 100 rises further.
    """

    largest: tuple[float, ...]
    usual: tuple[float, ...]


class Coverage(Frozen):
    """One symbol's stored bars: number, days, source, quality and digest.

    `weekdays` (0 is Monday) are those of nearly all sessions, `special_sessions` the days that fall on others.
    `sessions_expected` counts the calendar's from `first` to `last`; None without a calendar. `timezone` is that of the
    days, `calendar` the one that they were checked with. Bars that an earlier version stored have neither, and `rises`
    is None.
    """

    symbol: Symbol
    interval: str
    bars: int
    sessions: int
    sessions_expected: int | None
    gaps: tuple[Gap, ...]
    most_bars_a_session: int
    weekdays: tuple[int, ...]
    special_sessions: tuple[date, ...]
    first: date
    last: date
    source: str
    adjusted: bool
    sha256: str
    fetched: datetime
    verdict: Verdict
    findings: tuple[Finding, ...]
    rises: Rises | None = None
    timezone: str = Field("", exclude_if=lambda zone: not zone)
    calendar: str = Field("", exclude_if=lambda name: not name)


class Rejection(Frozen):
    """One symbol that has no bars to train on: `reason` for programs, `findings` for people."""

    symbol: Symbol
    interval: str
    source: str
    fetched: datetime
    reason: SkipReason
    findings: tuple[Finding, ...]

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if all(finding.verdict is not Verdict.REJECT for finding in self.findings):
            raise ValueError("none of its findings rejects it")
        return self

    @property
    def sentence(self) -> str:
        """The first finding that rejects, where it is and what to do."""
        return self._first.sentence

    @property
    def place(self) -> str:
        """The symbol, that finding's check and where it is, without the rest of the sentence."""
        return f"{self.symbol}: {self._first.check.words} at {self._first.where}"

    @property
    def _first(self) -> Finding:
        return next(finding for finding in self.findings if finding.verdict is Verdict.REJECT)


class OddDays(Frozen):
    """Days on which one symbol differs from its calendar; those of most symbols are the exchange's.

    `missing`: sessions without a bar. `unexpected`: traded days that are no sessions. `idle`: days whose bars have
    the close before as every price, and no volume.
    """

    missing: tuple[date, ...] = ()
    unexpected: tuple[date, ...] = ()
    idle: tuple[date, ...] = ()


class CoverageTable(Frozen):
    """`coverage.json`: every requested symbol of one interval, stored or rejected.

    `notes` are findings about the exchange's days, which concern most symbols of the last ingestion.
    """

    symbols: dict[str, Coverage] = Field(default_factory=dict)
    rejected: dict[str, Rejection] = Field(default_factory=dict)
    notes: tuple[Finding, ...] = ()
