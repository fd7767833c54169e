"""The instant at which a bar's decision is made: the close of the bar, as far as the exchange's calendar shows it."""

import numpy as np

from schemas.config.bars import NO_CALENDAR
from schemas.config.interval import DAY_MINUTES, DAYS_PER_WEEK, INTERVAL_MINUTES, Interval
from workers.bars.calendar import Calendar, open_calendar
from workers.bars.series import Ints, Series

MICROSECONDS_PER_MINUTE = 60 * 10**6


def decisions(series: Series, interval: Interval, calendar: str) -> Ints:
    """Microseconds since 1970 in UTC, one per bar: its close, never later.

    A bar of a day or a week closes with its (last) session, a shorter one after its length, or with its session if that
    is sooner. Where the calendar does not know the session's hours, or there is none, it is the beginning of the bar.
    """
    if calendar == NO_CALENDAR:
        return series.timestamp
    known = open_calendar(calendar)
    minutes = INTERVAL_MINUTES[interval]
    days = DAYS_PER_WEEK if minutes > DAY_MINUTES else 1
    closes, found = _closes(series.session, days, known)
    if minutes < DAY_MINUTES:
        closes = np.minimum(closes, series.timestamp + minutes * MICROSECONDS_PER_MINUTE)
    result: Ints = np.where(found, np.maximum(closes, series.timestamp), series.timestamp)
    return result


def _closes(session: Ints, days: int, calendar: Calendar) -> tuple[Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The close of the last regular session of `days` days from each session on, and whether there is one."""
    hours = calendar.regular
    last = np.searchsorted(hours.session, session + days) - 1
    inside = np.maximum(last, 0)
    return hours.close[inside], (last >= 0) & (hours.session[inside] >= session)
