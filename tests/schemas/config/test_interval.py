"""Lengths of bars, and the bars of a session."""

import pytest

from schemas.config.interval import INTERVAL_MINUTES, Interval, most_bars_per_session, whole_bars_per_session


@pytest.mark.parametrize(
    ("interval", "whole", "most"), [("1minute", 375, 375), ("5minute", 75, 75), ("30minute", 12, 13), ("1day", 1, 1)]
)
def test_a_short_last_bar_counts_towards_the_most(interval: Interval, whole: int, most: int) -> None:
    """A session of 375 minutes has 12 bars of 30 minutes and one of 15."""
    assert (whole_bars_per_session(interval), most_bars_per_session(interval)) == (whole, most)
    assert whole * INTERVAL_MINUTES[interval] <= 375 or interval == "1day"
