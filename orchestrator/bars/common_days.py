"""Days that most symbols have in common: the exchange's sessions, as the bars themselves show them."""

from collections import Counter
from collections.abc import Mapping
from datetime import date

from schemas.contract.coverage import Coverage, OddDays
from schemas.contract.quality import Check, Finding, Verdict, worst

LEAST_SYMBOLS = 2
NAMED = 6
# Special sessions are few; more of them mean another market: one that is always open, or has other holidays.
FEW_DAYS, FEW_SHARE = 3, 0.02


def by_most(
    calendar: str, stored: Mapping[str, Coverage], days: Mapping[str, OddDays]
) -> tuple[dict[str, Coverage], tuple[Finding, ...]]:
    """The symbols without the findings that most of them share, and one finding for each kind of shared days.

    A day is shared by more than half of the symbols whose bars span it, and by at least two. Days that are not in the
    calendar are sessions only if they are few.
    """
    missing = _shared(stored, {symbol: each.missing for symbol, each in days.items()})
    extra = _shared(stored, {symbol: each.unexpected for symbol, each in days.items()})
    sessions = max((row.sessions for row in stored.values()), default=0)
    if len(extra) > max(FEW_DAYS, FEW_SHARE * sessions):
        extra = set()
    idle = _shared(stored, {symbol: each.idle for symbol, each in days.items()})
    notes = (
        *_note(Check.MISSING_SESSION, Verdict.OK, missing, f"by the calendar {calendar} sessions, on which most symbols"
               " have no bar; fetch them again if there was trading"),
        *_note(Check.UNEXPECTED_SESSION, Verdict.OK, extra, f"no sessions by the calendar {calendar}, and most symbols"
               " were traded: they count as sessions"),
        *_note(Check.PHANTOM_BAR, Verdict.WARN, idle, "most symbols have the close before as every price, and no"
               " volume: the source has no trades of these days; fetch them again or leave them out"),
    )  # fmt: skip
    changed = {symbol: _without(row, days[symbol], missing, extra) for symbol, row in stored.items()}
    return changed, notes


def _shared(stored: Mapping[str, Coverage], days: Mapping[str, tuple[date, ...]]) -> set[date]:
    counts = Counter(day for symbol in stored for day in days[symbol])
    return {
        day
        for day, count in counts.items()
        if count >= LEAST_SYMBOLS and 2 * count > sum(row.first <= day <= row.last for row in stored.values())
    }


def _note(check: Check, verdict: Verdict, days: set[date], what: str) -> tuple[Finding, ...]:
    if not days:
        return ()
    named = sorted(days)
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    detail = f"{', '.join(map(str, named[:NAMED]))}{more}: {what}"
    return (Finding(check=check, verdict=verdict, count=len(days), where=str(named[0]), detail=detail),)


def _without(row: Coverage, own: OddDays, missing: set[date], extra: set[date]) -> Coverage:
    """A symbol without findings of which every day is shared; its expected sessions are those of the exchange."""
    shared = {Check.MISSING_SESSION: (own.missing, missing), Check.UNEXPECTED_SESSION: (own.unexpected, extra)}

    def is_shared(finding: Finding) -> bool:
        days, most = shared.get(finding.check, ((), set()))
        return finding.count == len(days) and set(days) <= most  # days without trades are counted, and not among them

    findings = tuple(each for each in row.findings if not is_shared(each))
    expected = row.sessions_expected
    if expected is not None:
        expected += len(set(own.unexpected) & extra) - len(set(own.missing) & missing)
    gaps = tuple(gap for gap in row.gaps if any(gap.first <= day <= gap.last for day in set(own.missing) - missing))
    return row.model_copy(
        update={"findings": findings, "verdict": worst(findings), "sessions_expected": expected, "gaps": gaps}
    )
