"""Features of the calendar: weekday, place in the month, place in the session.

The day of the year is not a feature: in windows shorter than a year it identifies single rows.
"""

from workers.features import indicators
from workers.features.frame import Frame
from workers.features.indicators import Array, namespace
from workers.features.registry import Feature, register

MICROSECONDS_PER_DAY = 24 * 3600 * 10**6


def march_day(day: Array) -> Array:
    """Days since 1 March, 0 to 365, of `day` in days since 1970. A year that begins in March ends with its leap day.

    Source: Hinnant, chrono-Compatible Low-Level Date Algorithms.
    """
    of_era = (day + 719_468) % 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    return of_era - (365 * year + year // 4 - year // 100)


def month_day(day: Array) -> Array:
    """Day of the month, 1 to 31, of `day` in days since 1970."""
    of_year = march_day(day)
    month = (5 * of_year + 2) // 153
    return of_year - (153 * month + 2) // 5 + 1


def _weekday(frame: Frame) -> Array:
    """Monday 0, Sunday 1. Day 0, 1 January 1970, was a Thursday."""
    return (frame.session + 3) % 7 / 6.0


def _session_position(frame: Frame) -> Array:
    """Time since the session's first bar as a share of 24 hours, as the session's own length is not known yet."""
    xp = namespace(frame.close)
    if not frame.intraday:
        return xp.zeros(frame.close.shape)
    first = indicators.session_start(frame.session)
    return (frame.timestamp - xp.take_along_axis(frame.timestamp, first, axis=-1)) / MICROSECONDS_PER_DAY


register(
    Feature("weekday", "day of the week / 6, Monday 0", "calendar", 0, _weekday),
    Feature(
        "month_position", "(day of the month - 1) / 30", "calendar", 0, lambda f: (month_day(f.session) - 1) / 30.0
    ),
    Feature(
        "session_position", "time since the session's first bar / 24 hours; 0 for daily bars", "calendar", 0,
        _session_position,
    ),
)  # fmt: skip
