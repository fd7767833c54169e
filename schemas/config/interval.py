"""Lengths of bars in minutes, and the number of bars per session of NSE, where all vendors' bars are from."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field, field_validator

from schemas.contract.base import Frozen

Interval = Literal[
    "1minute", "3minute", "5minute", "10minute", "15minute", "30minute", "60minute", "120minute", "240minute", "1day",
    "1week",
]  # fmt: skip

DAY_MINUTES, DAYS_PER_WEEK = 24 * 60, 7
INTERVAL_MINUTES: dict[Interval, int] = {
    "1minute": 1, "3minute": 3, "5minute": 5, "10minute": 10, "15minute": 15, "30minute": 30, "60minute": 60,
    "120minute": 120, "240minute": 240, "1day": DAY_MINUTES, "1week": DAYS_PER_WEEK * DAY_MINUTES,
}  # fmt: skip
# Other programs' names.
SAME_INTERVALS = {"1hour": "60minute", "2hour": "120minute", "4hour": "240minute"}
NSE_SESSION_MINUTES = 375  # 09:15 to 15:30


def is_intraday(interval: Interval) -> bool:
    """Whether bars are shorter than a day, so that a session has several."""
    return INTERVAL_MINUTES[interval] < DAY_MINUTES


def periods_per_year(interval: Interval, weekdays: Collection[int]) -> int:
    """Days (of weekly bars: weeks) with returns in a year: 252, or 365 where all seven `weekdays` are traded."""
    if interval == "1week":
        return 52
    return 365 if len(weekdays) == DAYS_PER_WEEK else 252


def most_bars_per_session(interval: Interval) -> int:
    """Bars of a full session, a short last one included: 13 of 30 minutes. An upper bound, to size a request."""
    return -(-NSE_SESSION_MINUTES // INTERVAL_MINUTES[interval])


def whole_bars_per_session(interval: Interval) -> int:
    """Bars of full length in a session, at least 1: 12 of 30 minutes. A lower bound, to ask for enough sessions."""
    return max(NSE_SESSION_MINUTES // INTERVAL_MINUTES[interval], 1)


class BarInterval(Frozen):
    """The length of a bar, which reading, planning and training need."""

    interval: Interval = Field(
        "1day", description=f"Length of a bar: {', '.join(INTERVAL_MINUTES)}; 1hour, 2hour and 4hour are 60minute etc."
    )

    @field_validator("interval", mode="before")
    @classmethod
    def _same_interval(cls, value: object) -> object:
        return SAME_INTERVALS.get(value, value) if isinstance(value, str) else value
