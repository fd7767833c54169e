"""Compares a symbol's bars with its exchange's calendar: missing and unexpected sessions and minutes."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from schemas.config.interval import DAYS_PER_WEEK
from schemas.contract.coverage import Gap, OddDays
from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.calendar import Calendar, Hours, day_number, day_of
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Floats, Ints, Series
from workers.bars.store import usual_days

# A trading halt may remove a day. If a fifth of the days is missing, many daily returns are two-day returns.
MISSING_SHARE = 0.2
# A few minutes of an illiquid stock have no trade. If half of them is missing, the session is another one.
FEW_MINUTES, TOO_FEW_MINUTES = 0.95, 0.5
NAMED = 3
# The calendar of a market that never closes, and the hours of the day from which on bars look like one.
ALWAYS_OPEN, NIGHT_HOURS = "24/7", 22
MONDAY = 3  # days from a Monday to 1970-01-01
MICROSECONDS_PER_MINUTE = 60 * 10**6


def missing_sessions(series: Series, calendar: Calendar) -> tuple[list[Finding], tuple[Gap, ...], int | None]:
    """Sessions without a bar between the first and last bar, the gaps they form, and the expected number of sessions.

    That number is None if the calendar does not cover all the days.
    """
    first, last = day_of(series.session[0]), day_of(series.session[-1])
    expected = calendar.sessions(first, last)
    lacking = np.flatnonzero(~np.isin(expected, _days(series)))
    known = len(expected) if calendar.knows(first, last) else None
    if not len(lacking):
        return [], (), known
    gaps = _gaps(expected, lacking)
    # Vendors often leave out Muhurat and other special sessions; their absence alone is no fault of the bars.
    if not np.isin(expected[lacking], calendar.regular.session).any():
        return [], gaps, known
    named = [f"{gap.first}" + (f" to {gap.last}" if gap.sessions > 1 else "") for gap in gaps]
    detail = (
        f"{len(lacking):,} of {len(expected):,} sessions of {calendar.name} have no bar: {_some(named)};"
        f" fetch those days again if there was trading"
    )
    verdict = Verdict.REJECT if len(lacking) / len(expected) > MISSING_SHARE else Verdict.WARN
    return [_finding(Check.MISSING_SESSION, verdict, len(lacking), gaps[0].first, detail)], gaps, known


def _gaps(expected: Ints, lacking: Ints) -> tuple[Gap, ...]:
    """The missing positions of `expected`, consecutive ones grouped."""
    groups = np.split(lacking, np.flatnonzero(np.diff(lacking) > 1) + 1)
    return tuple(
        Gap(first=day_of(expected[group[0]]), last=day_of(expected[group[-1]]), sessions=len(group)) for group in groups
    )


def odd_days(series: Series, calendar: Calendar | None) -> OddDays:
    """Days of daily or intraday bars on which a symbol differs from its calendar."""
    days, start = np.unique(series.session, return_index=True)
    before = np.concatenate([[np.nan], series.close])[start]
    flat = series.volume == 0
    for prices in (series.open, series.high, series.low, series.close):
        flat &= prices == np.repeat(before, np.diff(np.append(start, len(series))))
    idle = np.logical_and.reduceat(flat, start) if series.volume.any() else np.zeros(len(days), dtype=np.bool_)
    if calendar is None:
        return OddDays(idle=_dates(days[idle]))
    expected = calendar.sessions(day_of(days[0]), day_of(days[-1]))
    known = (days >= day_number(calendar.first)) & (days <= day_number(calendar.last))
    return OddDays(
        missing=_dates(expected[~np.isin(expected, days)]),
        unexpected=_dates(days[known & ~idle & ~np.isin(days, calendar.days)]),
        idle=_dates(days[idle]),
    )


def _dates(days: Ints) -> tuple[date, ...]:
    return tuple(day_of(day) for day in days)


def missing_weeks(series: Series, calendar: Calendar) -> list[Finding]:
    """Weeks from Monday to Sunday, between the first weekly bar and the last, that had a session and have no bar."""
    first, last = day_of(series.session[0]), day_of(series.session[-1])
    expected = np.unique(_week(calendar.sessions(first, last)))
    lacking = expected[~np.isin(expected, _week(series.session))]
    if not len(lacking):
        return []
    mondays = [str(day_of(DAYS_PER_WEEK * week - MONDAY)) for week in lacking]
    detail = f"{len(lacking):,} of {len(expected):,} weeks of {calendar.name} have no bar: {_some(mondays)}; fetch them"
    verdict = Verdict.REJECT if len(lacking) / len(expected) > MISSING_SHARE else Verdict.WARN
    return [_finding(Check.MISSING_SESSION, verdict, len(lacking), mondays[0], detail)]


def _week(session: Ints) -> Ints:
    """Weeks since that of 1970-01-01, a Thursday; a week begins on Monday."""
    return (session + MONDAY) // DAYS_PER_WEEK


def unexpected_sessions(series: Series, calendar: Calendar) -> list[Finding]:
    """Days with bars on which, by the calendar, there was no session."""
    days = _days(series)
    known = (days >= day_number(calendar.first)) & (days <= day_number(calendar.last))
    extra = days[known & ~np.isin(days, calendar.days)]
    if not len(extra):
        return []
    named = _some([str(day_of(day)) for day in extra])
    weekdays, _ = usual_days(series.session)
    step = "check that --calendar and --timezone are those of the exchange"
    if len(weekdays) == DAYS_PER_WEEK:
        step = f"all days of the week have bars: give --calendar {ALWAYS_OPEN}, or leave the weekends out"
    detail = f"{len(extra):,} of {len(days):,} days with bars are not sessions of {calendar.name}: {named}; {step}"
    return [_finding(Check.UNEXPECTED_SESSION, Verdict.WARN, len(extra), day_of(extra[0]), detail)]


def session_minutes(series: Series, calendar: Calendar, minutes: int) -> list[Finding]:
    """Check the share of expected bars of `minutes` minutes per session, averaged over sessions that have any bar."""
    share, sessions = _shares(series, calendar.regular, minutes)
    if not len(share) or share.mean() >= FEW_MINUTES:
        return []
    worst, low = int(np.argmin(share)), int(np.sum(share < FEW_MINUTES))
    day = day_of(sessions[worst])
    detail = (
        f"sessions of {calendar.name} have {share.mean():.1%} of their {minutes}-minute bars on average, {day} the"
        f" fewest with {share[worst]:.1%}; fetch the {low:,} days below {FEW_MINUTES:.0%} again"
    )
    verdict = Verdict.REJECT if share.mean() < TOO_FEW_MINUTES else Verdict.WARN
    return [_finding(Check.SESSION_MINUTES, verdict, low, day, detail)]


def _shares(series: Series, hours: Hours, minutes: int) -> tuple[Floats, Ints]:
    """The share of its bars that each session of known hours has, and its day; sessions without bars are left out."""
    at, inside = _placed(series, hours, minutes)
    bars = np.bincount(at[inside], minlength=len(hours.session))
    # If all bars of a day belong to the next session, as with futures' evenings, none are expected of the day itself.
    seen = (bars > 0) | np.isin(hours.session, series.session[~inside])
    expected = np.ceil(hours.minutes[seen] / minutes)
    return np.minimum(bars[seen] / expected, 1.0), hours.session[seen]


def _placed(series: Series, hours: Hours, minutes: int) -> tuple[Ints, NDArray[np.bool_]]:
    """The last session that opened before each bar ends, and whether it was open. It may open on the eve.

    Bars of an hour begin at 09:00 for some vendors, although NSE opens at 09:15.
    """
    at = np.searchsorted(hours.open, series.timestamp + minutes * MICROSECONDS_PER_MINUTE, side="left") - 1
    return at, (at >= 0) & (series.timestamp < hours.close[at])


def outside_session(clean: CleanBars, calendar: Calendar, minutes: int) -> list[Finding]:
    """Bars of days with known hours that end before the open or at it, or begin at the close or after it."""
    series = clean.series
    _, inside = _placed(series, calendar.regular, minutes)
    rows = np.flatnonzero(~inside & np.isin(series.session, calendar.regular.session))
    if not len(rows):
        return []
    step = "check that --timezone is the exchange's and that a bar's timestamp is its start, or leave these bars out"
    if len(np.unique(series.timestamp // (60 * MICROSECONDS_PER_MINUTE) % 24)) * max(minutes, 60) >= 60 * NIGHT_HOURS:
        step = f"there are bars by day and night: give --calendar {ALWAYS_OPEN}, or leave these bars out"
    detail = f"{len(rows):,} of {len(series):,} bars are outside {calendar.name}'s hours; {step}"
    return [_finding(Check.OUTSIDE_SESSION, Verdict.WARN, len(rows), clean.locate(int(rows[0])), detail)]


def _days(series: Series) -> Ints:
    """Each session once, in order."""
    return series.session[np.flatnonzero(np.append(len(series) > 0, np.diff(series.session) != 0))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _finding(check: Check, verdict: Verdict, count: int, where: object, detail: str) -> Finding:
    return Finding(check=check, verdict=verdict, count=count, where=str(where), detail=detail)
