"""Summary of a symbol's stored bars and their quality, or why they were rejected."""

from datetime import date, datetime

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.identifiers import Symbol
from schemas.contract.quality import Finding, Verdict
from schemas.contract.window import SkipReason


class Gap(Frozen):
    """Consecutive sessions of the exchange's calendar without a bar."""

    first: date
    last: date
    sessions: int


class Coverage(Frozen):
    """One symbol's stored bars: number, days, source, quality and digest.

    `weekdays` (0 is Monday) are those of nearly all sessions, `special_sessions` the days that fall on others.
    `sessions_expected` counts the calendar's from `first` to `last`; None without a calendar.
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


class Rejection(Frozen):
    """One symbol that has no bars to train on: `reason` for programs, `findings` for people."""

    symbol: Symbol
    interval: str
    source: str
    fetched: datetime
    reason: SkipReason
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """The first finding that rejects, where it is and what to do."""
        return next(finding for finding in self.findings if finding.verdict is Verdict.REJECT).sentence


class CoverageTable(Frozen):
    """`coverage.json`: every requested symbol of one interval, stored or rejected."""

    symbols: dict[str, Coverage] = Field(default_factory=dict)
    rejected: dict[str, Rejection] = Field(default_factory=dict)
