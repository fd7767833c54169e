"""Exchange calendars: the days on which an exchange trades, and its hours.

Days come from the package exchange_calendars. NSE is its Bombay calendar plus the sessions that it lacks.
"""

import warnings
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np

from workers.bars.series import Floats, Ints

NSE = "NSE"
NSE_BASE = "XBOM"
# Weekend and Muhurat sessions. Their hours are announced separately each time.
NSE_SPECIAL_SESSIONS = (
    date(2014, 3, 22),
    date(2015, 2, 28),
    date(2016, 10, 30),
    date(2017, 10, 19),
    date(2018, 11, 7),
    date(2019, 10, 27),
    date(2020, 2, 1),
    date(2020, 11, 14),
    date(2021, 11, 4),
    date(2022, 10, 24),
    date(2023, 11, 12),
    date(2024, 1, 20),
    date(2024, 3, 2),
    date(2024, 5, 18),
    date(2024, 11, 1),
    date(2025, 2, 1),
    date(2025, 10, 21),
    date(2026, 2, 1),
    date(2026, 11, 8),
)
# No source has older bars, and a longer calendar takes longer to build.
EARLIEST = "1970-01-01"

EPOCH = date(1970, 1, 1).toordinal()
NANOSECONDS_PER_DAY = 86_400 * 10**9
NANOSECONDS_PER_MINUTE = 60 * 10**9
NANOSECONDS_PER_MICROSECOND = 1000


def day_number(day: date) -> int:
    """Days since 1970-01-01, the unit of `Series.session`."""
    return day.toordinal() - EPOCH


def day_of(number: int) -> date:
    """The day that is `number` days after 1970-01-01."""
    return date.fromordinal(int(number) + EPOCH)


@dataclass(frozen=True)
class Hours:
    """Sessions of known hours, one value per session: its day, opening, closing and minutes of trading.

    `session` is days since 1970, `open` and `close` are microseconds since 1970 in UTC; `minutes` omits lunch breaks.
    """

    session: Ints
    open: Ints
    close: Ints
    minutes: Floats


@dataclass(frozen=True)
class Calendar:
    """The sessions of one exchange from the day `first` to the day `last`; other days are unknown.

    `days` has all sessions in order, as days since 1970; `regular` those with known hours.
    """

    name: str
    first: date
    last: date
    days: Ints
    regular: Hours

    def sessions(self, first: date, last: date) -> Ints:
        """Known sessions from `first` to `last`, both included."""
        begin, end = np.searchsorted(self.days, (day_number(first), day_number(last) + 1))
        return self.days[begin:end]

    def knows(self, first: date, last: date) -> bool:
        """Whether the calendar covers all days from `first` to `last`."""
        return self.first <= first and last <= self.last


@lru_cache
def open_calendar(name: str) -> Calendar:
    """NSE, or a calendar of exchange_calendars such as XNYS, XBOM or 24/7; ValueError for any other name."""
    with warnings.catch_warnings():
        # exchange_calendars uses functions that the newest pandas deprecates.
        warnings.simplefilter("ignore")
        found = _build(NSE_BASE if name == NSE else name)
        regular = _hours(found)
        first, last = found.first_session.date(), found.last_session.date()
    special = [day_number(day) for day in NSE_SPECIAL_SESSIONS if name == NSE and first <= day <= last]
    days = np.union1d(regular.session, np.array(special, dtype=np.int64))
    return Calendar(name, first, last, days, regular)


def _build(name: str) -> Any:
    import exchange_calendars  # imports pandas, which takes a second or two

    names = exchange_calendars.get_calendar_names()
    if name not in names:
        close = get_close_matches(name.upper(), [NSE, *names], n=3, cutoff=0.5)
        instead = f"did you mean {' or '.join(close)}?" if close else f"use {NSE}, XNYS, 24/7 or another ISO code (MIC)"
        raise ValueError(f"there is no exchange calendar {name!r}: {instead}")
    try:
        return exchange_calendars.get_calendar(name, start=EARLIEST)
    except ValueError:
        # Its holidays are not recorded that far back; the built calendar states its first day.
        return exchange_calendars.get_calendar(name, start=type(exchange_calendars.get_calendar(name)).bound_min())


def _hours(found: Any) -> Hours:
    """Hours of a calendar of exchange_calendars, whose times are nanoseconds since 1970 in UTC."""
    begins, ends = found.opens_nanos, found.closes_nanos
    # A session without a break has the same (missing) value for both ends of it.
    traded = ends - begins - (found.break_ends_nanos - found.break_starts_nanos)
    return Hours(
        session=found.sessions_nanos // NANOSECONDS_PER_DAY,
        open=begins // NANOSECONDS_PER_MICROSECOND,
        close=ends // NANOSECONDS_PER_MICROSECOND,
        minutes=traded / NANOSECONDS_PER_MINUTE,
    )
