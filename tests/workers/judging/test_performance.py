"""Falls and months of a book, by hand."""

from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.judging.performance import MOST_FALLS, below_peak, by_month, falls

DAY = int(np.datetime64("2024-01-30").astype(int))
RETURNS = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60)


def test_falls_have_dates_and_the_deepest_is_first() -> None:
    """Up 10 %, down 5 % and made good, down 20 % and 10 %, up 5 %: the second fall is deeper and not made good."""
    daily = np.array([0.1, -0.05, 0.06, -0.2, -0.1, 0.05])
    deep, slight = falls(DAY + np.arange(6), daily)
    assert (deep.first, deep.lowest, deep.recovered, deep.days) == (date(2024, 2, 2), date(2024, 2, 3), None, 3)
    assert slight.first == slight.lowest == date(2024, 1, 31) and slight.recovered == date(2024, 2, 1)
    assert [deep.percent, slight.percent] == pytest.approx([28.0, 5.0]) and slight.days == 1
    assert falls(DAY + np.arange(2), np.array([0.0, 0.1])) == ()


@given(RETURNS)
def test_the_deepest_fall_is_the_largest_drawdown(returns: list[float]) -> None:
    """Also where there are more falls than are kept; falls do not overlap."""
    daily = np.array(returns)
    found = falls(DAY + np.arange(len(daily)), daily)
    assert max((each.percent for each in found), default=0.0) == pytest.approx(-100 * below_peak(daily).min())
    assert len(found) <= MOST_FALLS and [each.percent for each in found] == sorted(
        (each.percent for each in found), reverse=True
    )
    in_order = sorted(found, key=lambda each: each.first)
    assert all(a.recovered is not None and a.recovered <= b.first for a, b in pairwise(in_order))


@given(RETURNS)
def test_months_compound_to_the_whole(returns: list[float]) -> None:
    """A month without days is not there; all months together are the growth of all days."""
    daily = np.array(returns)
    found = by_month(DAY + 20 * np.arange(len(daily)), daily)
    assert list(found) == sorted(found) and next(iter(found)) == "2024-01"
    assert np.prod([1 + each / 100 for each in found.values()]) == pytest.approx(np.prod(1 + daily))
