"""Exchange calendars: sessions, their hours, and the range of days that is known."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from workers.bars.calendar import (
    NSE_SPECIAL_SESSIONS,
    Calendar,
    day_number,
    day_of,
    open_calendar,
)

DAYS = st.dates(date(1960, 1, 1), date(2040, 12, 31))


def local_hours(calendar: Calendar, day: date, zone: str) -> tuple[str, str, float]:
    """Open and close of a session as the exchange's clock shows them, and its minutes."""
    at = int(np.searchsorted(calendar.regular.session, day_number(day)))
    assert calendar.regular.session[at] == day_number(day)
    opens, closes = (
        datetime.fromtimestamp(values[at] / 1e6, UTC).astimezone(ZoneInfo(zone)).strftime("%H:%M")
        for values in (calendar.regular.open, calendar.regular.close)
    )
    return opens, closes, float(calendar.regular.minutes[at])


def days(calendar: Calendar, first: date, last: date) -> list[date]:
    return [day_of(number) for number in calendar.sessions(first, last)]


def test_nse_has_its_special_sessions_and_xbom_lacks_them() -> None:
    """NSE is XBOM plus weekend and Muhurat sessions, none of which is in XBOM."""
    nse, xbom = open_calendar("NSE"), open_calendar("XBOM")
    assert sorted(set(nse.days.tolist()) - set(xbom.days.tolist())) == [day_number(day) for day in NSE_SPECIAL_SESSIONS]
    assert set(xbom.days.tolist()) <= set(nse.days.tolist())


def test_nse_traded_a_known_week() -> None:
    """Both ends count; the holiday of Republic Day and the weekend do not, the Saturday session does."""
    assert days(open_calendar("NSE"), date(2024, 1, 19), date(2024, 1, 29)) == [
        date(2024, 1, day) for day in (19, 20, 23, 24, 25, 29)
    ]


def test_special_sessions_have_no_hours() -> None:
    """A special session is a session of unknown hours."""
    nse = open_calendar("NSE")
    special = [day_number(day) for day in NSE_SPECIAL_SESSIONS]
    assert np.isin(special, nse.days).all()
    assert not np.isin(special, nse.regular.session).any()


@pytest.mark.parametrize(
    ("name", "day", "zone", "hours"),
    [
        ("NSE", date(2024, 6, 21), "Asia/Kolkata", ("09:15", "15:30", 375.0)),
        ("XNYS", date(2024, 1, 16), "America/New_York", ("09:30", "16:00", 390.0)),
        ("XNYS", date(2024, 7, 16), "America/New_York", ("09:30", "16:00", 390.0)),
        ("XNYS", date(2024, 11, 29), "America/New_York", ("09:30", "13:00", 210.0)),
        ("XHKG", date(2024, 1, 16), "Asia/Hong_Kong", ("09:30", "16:00", 330.0)),
        ("24/7", date(2024, 1, 14), "UTC", ("00:00", "00:00", 1440.0)),
    ],
)
def test_hours_are_the_exchanges(name: str, day: date, zone: str, hours: tuple[str, str, float]) -> None:
    """Hours follow daylight saving, half days and lunch breaks."""
    assert local_hours(open_calendar(name), day, zone) == hours


def test_old_data_is_covered() -> None:
    """A calendar begins where its recorded holidays begin, not twenty years ago."""
    assert open_calendar("NSE").first.year == 1997
    assert open_calendar("XNYS").first.year == 1970


@pytest.mark.parametrize("name", ["NSE", "XNYS", "24/7"])
@given(st.tuples(DAYS, DAYS).map(sorted))
@examples(30)
def test_unknown_days_have_no_sessions(name: str, span: list[date]) -> None:
    """Sessions are in order, within the requested and the known days; unknown days are not an error."""
    calendar, (first, last) = open_calendar(name), span
    found = days(calendar, first, last)
    assert found == sorted(set(found))
    assert all(max(first, calendar.first) <= day <= min(last, calendar.last) for day in found)
    assert calendar.knows(first, last) == (calendar.first <= first and last <= calendar.last)


@given(DAYS)
@examples(30)
def test_day_numbers_are_numpys(day: date) -> None:
    """A day's number is numpy's, and converts back to the day."""
    assert day_number(day) == int(np.datetime64(day, "D").astype(np.int64))
    assert day_of(day_number(day)) == day


@pytest.mark.parametrize(("name", "hint"), [("nse", "NSE"), ("XNSY", "XNYS"), ("NYS", "NYSE"), ("?", "use NSE")])
def test_the_error_for_an_unknown_calendar_suggests_a_known_one(name: str, hint: str) -> None:
    """The error names the requested calendar and a similar name."""
    with pytest.raises(ValueError, match=hint) as error:
        open_calendar(name)
    assert repr(name) in str(error.value) and "\n" not in str(error.value)
