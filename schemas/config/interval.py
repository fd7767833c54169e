"""Lengths of bars in minutes, and the number of bars per session of NSE, where all vendors' bars are from."""

from typing import Literal

from pydantic import Field

from schemas.contract.base import Frozen

Interval = Literal["1minute", "5minute", "30minute", "1day"]

INTERVAL_MINUTES: dict[Interval, int] = {"1minute": 1, "5minute": 5, "30minute": 30, "1day": 24 * 60}
NSE_SESSION_MINUTES = 375  # 09:15 to 15:30


def most_bars_per_session(interval: Interval) -> int:
    """Bars of a full session, a short last one included: 13 of 30 minutes. An upper bound, to size a request."""
    return -(-NSE_SESSION_MINUTES // INTERVAL_MINUTES[interval])


def whole_bars_per_session(interval: Interval) -> int:
    """Bars of full length in a session, at least 1: 12 of 30 minutes. A lower bound, to ask for enough sessions."""
    return max(NSE_SESSION_MINUTES // INTERVAL_MINUTES[interval], 1)


class BarInterval(Frozen):
    """The length of a bar, which reading, planning and training need."""

    interval: Interval = Field("1day", description="Length of a bar: 1minute, 5minute, 30minute or 1day.")
