"""The join of side data: at each instant the newest value that was known, and no later one."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import daily_walk, intraday_walk
from workers.bars.calendar import day_number, open_calendar
from workers.bars.series import Series
from workers.side.decision import decisions
from workers.side.joined import SideData
from workers.side.store import decode, encode, table_of
from workers.side.table import SHARED, SideTable

SMALL = st.integers(0, 12)
ROWS = st.lists(st.tuples(SMALL, SMALL, st.integers(0, 99)), max_size=25)


def table(rows: list[tuple[int, int, int]], max_age_us: int | None = None) -> SideTable:
    """Rows (time, known_at, value) that all symbols share."""
    time, known_at, value = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    owners = np.full(len(rows), SHARED, dtype=object)
    found = table_of(("x",), owners, time, known_at, value[:, None].astype(np.float64), None)
    return SideTable(("x",), found.rows or {SHARED: table([(0, 0, 0)]).rows[SHARED].upto(-1)}, max_age_us)


@given(ROWS, st.lists(SMALL, min_size=1), st.none() | SMALL)
def test_the_newest_value_that_was_known(
    rows: list[tuple[int, int, int]], instants: list[int], age: int | None
) -> None:
    """Of the rows known by then the latest time, of these the last known; missing if its time is too long ago."""
    found = table(rows, age).as_of("A", np.array(instants))[:, 0]
    for instant, value in zip(instants, found.tolist(), strict=True):
        known = [each for each in rows if each[1] <= instant]
        newest = max(((time, at) for time, at, _ in known), default=None)
        if newest is None or (age is not None and instant - newest[0] > age):
            assert np.isnan(value)
        else:
            assert value in {each for time, at, each in known if (time, at) == newest}


@given(ROWS, st.lists(SMALL, min_size=1), SMALL)
def test_no_later_row_is_seen(rows: list[tuple[int, int, int]], instants: list[int], cut: int) -> None:
    """What becomes known after an instant changes no value up to it, whether it is removed or has other values."""
    earlier = np.array([each for each in instants if each <= cut], dtype=np.int64)
    side, rng = SideData({"x": table(rows)}), np.random.default_rng(0)
    whole = side.tables["x"].as_of("A", earlier)
    for other in (side.known_at(cut), side.poisoned(cut, rng)):
        np.testing.assert_array_equal(other.tables["x"].as_of("A", earlier), whole)


def test_what_is_stored_is_what_was_read() -> None:
    """By symbol and shared; rows in any order give the same bytes."""
    owners = np.array(["B", "A", "B"], dtype=object)
    time, known_at = np.array([3, 1, 2]), np.array([5, 4, 4])
    values = np.array([[1.0, np.nan], [2.0, 0.0], [3.0, 1.0]])
    one = table_of(("x", "y"), owners, time, known_at, values, 60)
    turned = table_of(("x", "y"), owners[::-1], time[::-1], known_at[::-1], values[::-1], 60)
    assert encode(one) == encode(turned)
    again = decode(encode(one), 60)
    assert again.columns == ("x", "y") and again.max_age_us == 60 * 10**6 and again.by_symbol
    np.testing.assert_array_equal(again.as_of("B", np.array([4, 5])), [[3.0, 1.0], [1.0, np.nan]])
    assert np.isnan(again.as_of("C", np.array([9]))).all()
    assert not decode(encode(table([(1, 2, 3)])), None).by_symbol


def test_a_day_s_bar_is_decided_at_the_close_of_its_session() -> None:
    """NSE closes at 15:30 in India, XNYS at 16:00 in New York, an hour earlier in UTC in summer; early on some days."""
    day = day_number(date(2022, 6, 1))
    bars = Series(*(np.array([day * 86_400 * 10**6]), np.array([day])), *(np.ones(1),) * 5)
    assert decisions(bars, "1day", "NSE").view("M8[us]")[0] == np.datetime64("2022-06-01T10:00")
    assert decisions(bars, "1day", "XNYS").view("M8[us]")[0] == np.datetime64("2022-06-01T20:00")
    assert decisions(bars, "1day", "none")[0] == bars.timestamp[0]
    assert decisions(bars, "1week", "NSE").view("M8[us]")[0] == np.datetime64("2022-06-07T10:00")
    half = day_number(date(2022, 11, 25))
    early = Series(*(np.array([half * 86_400 * 10**6]), np.array([half])), *(np.ones(1),) * 5)
    assert decisions(early, "1day", "XNYS").view("M8[us]")[0] == np.datetime64("2022-11-25T18:00")


def test_a_short_bar_is_decided_after_its_length_or_at_the_close() -> None:
    """The last half hour of a session whose close cuts it; a day that is no session is decided when it begins."""
    day = day_number(date(2022, 6, 1))
    begin = np.datetime64("2022-06-01T09:15").astype("M8[us]").astype(np.int64) - 19_800 * 10**6
    start = begin + np.array([0, 6 * 3600 * 10**6])
    bars = Series(start, np.array([day, day]), *(np.ones(2),) * 5)
    found = decisions(bars, "60minute", "NSE").view("M8[us]")
    assert found.tolist() == np.array(["2022-06-01T04:45", "2022-06-01T10:00"], dtype="M8[us]").tolist()
    sunday = Series(start, np.array([day + 4, day + 4]), *(np.ones(2),) * 5)
    assert day + 4 not in open_calendar("NSE").days
    assert decisions(sunday, "60minute", "NSE").tolist() == start.tolist()


@pytest.mark.parametrize("interval", ["1day", "30minute"])
def test_decisions_are_in_order_and_not_before_their_bars(interval: str) -> None:
    """On weekdays that are sessions and on holidays."""
    bars = daily_walk(300) if interval == "1day" else intraday_walk(60, 5)
    found = decisions(bars, interval, "NSE")  # type: ignore[arg-type]
    assert (found >= bars.timestamp).all() and (np.diff(found) >= 0).all()
