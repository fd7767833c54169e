"""How a symbol's bars match its exchange's calendar: sessions and minutes that lack, and those that should not be."""

import numpy as np
from numpy.typing import NDArray

from schemas.contract.coverage import Gap
from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.calendar import Calendar, Hours, day_number, day_of
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Floats, Ints, Series

# A day may be lost to a halt; a fifth of them makes steps of two days pass for steps of one.
MISSING_SHARE = 0.2
# An illiquid minute here and there has no trade; half a session without bars is another session.
FEW_MINUTES, TOO_FEW_MINUTES = 0.95, 0.5
NAMED = 3


def missing_sessions(series: Series, calendar: Calendar) -> tuple[list[Finding], tuple[Gap, ...], int | None]:
    """Sessions between the first and last bar that have none, in gaps, and how many sessions there should be.

    That number is None where the calendar does not know all of the days.
    """
    first, last = day_of(series.session[0]), day_of(series.session[-1])
    expected = calendar.sessions(first, last)
    lacking = np.flatnonzero(~np.isin(expected, _days(series)))
    known = len(expected) if calendar.knows(first, last) else None
    if not len(lacking):
        return [], (), known
    gaps = _gaps(expected, lacking)
    named = [f"{gap.first}" + (f" to {gap.last}" if gap.sessions > 1 else "") for gap in gaps]
    detail = (
        f"{len(lacking):,} of {len(expected):,} sessions of {calendar.name} have no bar: {_some(named)};"
        f" fetch those days again if they were traded"
    )
    verdict = Verdict.REJECT if len(lacking) / len(expected) > MISSING_SHARE else Verdict.WARN
    return [_finding(Check.MISSING_SESSION, verdict, len(lacking), gaps[0].first, detail)], gaps, known


def _gaps(expected: Ints, lacking: Ints) -> tuple[Gap, ...]:
    """The missing positions of `expected`, grouped where they follow each other."""
    groups = np.split(lacking, np.flatnonzero(np.diff(lacking) > 1) + 1)
    return tuple(
        Gap(first=day_of(expected[group[0]]), last=day_of(expected[group[-1]]), sessions=len(group)) for group in groups
    )


def unexpected_sessions(series: Series, calendar: Calendar) -> list[Finding]:
    """Days that have bars and that the calendar knows as days without a session."""
    days = _days(series)
    known = (days >= day_number(calendar.first)) & (days <= day_number(calendar.last))
    extra = days[known & ~np.isin(days, calendar.days)]
    if not len(extra):
        return []
    named = _some([str(day_of(day)) for day in extra])
    detail = (
        f"{len(extra):,} of {len(days):,} days with bars are no sessions of {calendar.name}: {named};"
        f" see that --calendar and --timezone are the exchange's"
    )
    return [_finding(Check.UNEXPECTED_SESSION, Verdict.WARN, len(extra), day_of(extra[0]), detail)]


def session_minutes(series: Series, calendar: Calendar, minutes: int) -> list[Finding]:
    """The mean share of a session's bars of `minutes` minutes that are there, over sessions that have any bar."""
    share, sessions = _shares(series, calendar.regular, minutes)
    if not len(share) or share.mean() >= FEW_MINUTES:
        return []
    worst, low = int(np.argmin(share)), int(np.sum(share < FEW_MINUTES))
    day = day_of(sessions[worst])
    detail = (
        f"a session of {calendar.name} has {share.mean():.1%} of its {minutes}-minute bars on average, {day} the"
        f" fewest with {share[worst]:.1%}; fetch again what is below {FEW_MINUTES:.0%}, days: {low:,}"
    )
    verdict = Verdict.REJECT if share.mean() < TOO_FEW_MINUTES else Verdict.WARN
    return [_finding(Check.SESSION_MINUTES, verdict, low, day, detail)]


def _shares(series: Series, hours: Hours, minutes: int) -> tuple[Floats, Ints]:
    """The share of bars that is there and the day, of each session of sure hours that has any bar."""
    at, inside = _placed(series, hours)
    bars = np.bincount(at[inside], minlength=len(hours.session))
    # A day whose bars all lie in the session of the next, as futures' evenings do, owes none of its own.
    seen = (bars > 0) | np.isin(hours.session, series.session[~inside])
    expected = np.ceil(hours.minutes[seen] / minutes)
    return np.minimum(bars[seen] / expected, 1.0), hours.session[seen]


def _placed(series: Series, hours: Hours) -> tuple[Ints, NDArray[np.bool_]]:
    """The session that opened last before each bar, and whether it was still open (a session may begin the eve)."""
    at = np.searchsorted(hours.open, series.timestamp, side="right") - 1
    return at, (at >= 0) & (series.timestamp < hours.close[at])


def outside_session(clean: CleanBars, calendar: Calendar) -> list[Finding]:
    """Bars of days with sure hours that are stamped before the open, or at the close or after."""
    series = clean.series
    _, inside = _placed(series, calendar.regular)
    rows = np.flatnonzero(~inside & np.isin(series.session, calendar.regular.session))
    if not len(rows):
        return []
    detail = (
        f"{len(rows):,} of {len(series):,} bars lie outside of {calendar.name}'s hours; see that --timezone is the"
        f" exchange's and that bars are stamped by their start, or leave these bars out"
    )
    return [_finding(Check.OUTSIDE_SESSION, Verdict.WARN, len(rows), clean.locate(int(rows[0])), detail)]


def _days(series: Series) -> Ints:
    """Each session once; they are in order already."""
    return series.session[np.flatnonzero(np.append(len(series) > 0, np.diff(series.session) != 0))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _finding(check: Check, verdict: Verdict, count: int, where: object, detail: str) -> Finding:
    return Finding(check=check, verdict=verdict, count=count, where=str(where), detail=detail)
