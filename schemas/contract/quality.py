"""Results of the checks of a symbol's bars."""

from collections.abc import Iterable
from enum import StrEnum

from schemas.contract.base import Frozen


class Verdict(StrEnum):
    """Whether a model may use the bars: `warn` may be used and should be looked at; `reject` may not."""

    OK = "ok"
    WARN = "warn"
    REJECT = "reject"


class Check(StrEnum):
    """The checks, in the order in which they are reported."""

    UNREADABLE = "unreadable"
    BAD_CELL = "bad_cell"
    NO_BARS = "no_bars"
    MISSING_MAPPING = "missing_mapping"
    INTERVAL = "interval"
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    DUPLICATE = "duplicate"
    UNSORTED = "unsorted"
    OHLC_ORDER = "ohlc_order"
    STALE_RUN = "stale_run"
    ZERO_VOLUME = "zero_volume"
    PHANTOM_BAR = "phantom_bar"
    MISSING_SESSION = "missing_session"
    UNEXPECTED_SESSION = "unexpected_session"
    STRAY_BAR = "stray_bar"
    SESSION_MINUTES = "session_minutes"
    OUTSIDE_SESSION = "outside_session"
    OVERNIGHT_GAP = "overnight_gap"
    REOPENING_GAP = "reopening_gap"
    SAME_SERIES = "same_series"
    SECOND_SOURCE = "second_source"
    CHANGED_BAR = "changed_bar"
    # Of side data alone.
    KNOWN_EARLY = "known_early"
    SIDE_GAP = "side_gap"

    @property
    def words(self) -> str:
        """The check as people read it; files and JSON have its code."""
        return self.replace("_", " ")


# Jumps of prices that no corporate action on record explains.
JUMPS = (Check.OVERNIGHT_GAP, Check.REOPENING_GAP)

# Days and hours of bars that the exchange's calendar does not explain.
CALENDAR_CHECKS = (Check.PHANTOM_BAR, Check.UNEXPECTED_SESSION, Check.OUTSIDE_SESSION)

FIX_CELL = "; correct or remove the row"


class Finding(Frozen):
    """One check's result: how often, where first (`FILE line N` or a day), what is wrong and what to do.

    `actions`: lines of a file of corporate actions that would explain it, to be checked by the user.
    """

    check: Check
    verdict: Verdict
    count: int
    where: str
    detail: str
    actions: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Check in words, place, detail and next step; the place is omitted if the detail begins with it."""
        place = "" if self.detail.startswith(self.where) else f"{self.where}: "
        step = FIX_CELL if self.check is Check.BAD_CELL and FIX_CELL not in self.detail else ""
        return f"{self.check.words}: {place}{self.detail}{step}"


_RANK = list(Verdict)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The most severe verdict of all findings; `ok` if there are none."""
    return max((finding.verdict for finding in findings), key=_RANK.index, default=Verdict.OK)
