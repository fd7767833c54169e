"""Conversions between local times and instants, compared with Python's."""

from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from workers.bars.files.local_time import Zone, local_days, localise
from workers.bars.files.timestamps import from_column, from_text

ZONES = ["Asia/Kolkata", "America/New_York", "UTC", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca"]
EPOCH = datetime(1970, 1, 1)
NIGHTS = [datetime(2024, 11, 3, 2), datetime(2024, 3, 10, 2), datetime(2018, 11, 4), datetime(2018, 2, 18)]


def after(night: datetime, minutes: int) -> datetime:
    """So many minutes after `night`."""
    return night + timedelta(minutes=minutes)


def offset_of(time: datetime, zone: str, fold: int) -> timedelta:
    """Offset of a local time from UTC, by the standard library."""
    offset = time.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset()
    assert offset is not None
    return offset


moments = st.lists(
    st.one_of(
        st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
        # Around the moments at which clocks change in one of the zones.
        *(
            st.integers(-180, 180).map(partial(after, night))
            for night in (
                datetime(2024, 11, 3, 2),
                datetime(2024, 3, 10, 2),
                datetime(2018, 11, 4),
                datetime(2018, 2, 18),
            )
        ),
    ),
    min_size=1,
    max_size=20,
)


def microseconds(times: list[datetime]) -> np.ndarray:
    return np.array([(time - EPOCH) // timedelta(microseconds=1) for time in times], dtype=np.int64)


@examples(200)
@given(times=moments, zone=st.sampled_from(ZONES))
def test_local_times_become_the_instants_that_python_finds(times: list[datetime], zone: str) -> None:
    """A local time that exists once becomes its instant; a skipped or repeated one is marked, in any zone."""
    instants, unclear = localise(microseconds(times), zone)
    for time, instant, doubtful in zip(times, instants.tolist(), unclear.tolist(), strict=True):
        both = {offset_of(time, zone, fold) for fold in (0, 1)}
        assert doubtful == (len(both) > 1)
        if not doubtful:
            assert instant == microseconds([time - both.pop()])[0]


@examples(200)
@given(times=moments, zone=st.sampled_from(ZONES))
def test_a_local_day_is_the_one_that_python_finds(times: list[datetime], zone: str) -> None:
    """The session of an instant is its local date in any zone, also on days on which clocks change."""
    days = local_days(microseconds(times), zone)
    expected = [(time.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date() - EPOCH.date()).days for time in times]
    assert days.tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01 09:15:00+05:30",
        "2024-01-01T09:15:00+0530",
        "2024-01-01 09:15+05:30",
        " 2024-01-01 03:45:00Z ",
        "2024-01-01T03:45:00.000000Z",
        "2024-01-01 09:15:00",
        "2024-01-01T09:15",
        "2024-01-01 09:15:00.000",
    ],
)
def test_one_instant_in_many_forms(text: str) -> None:
    """Timestamps may have a space or a T, seconds, fractions of up to six digits, and an offset or a Z."""
    instants, problems = from_text(pa.array([text]), Zone("Asia/Kolkata"))
    assert instants.tolist() == [microseconds([datetime(2024, 1, 1, 3, 45)])[0]]
    assert problems == {}


def test_every_problem_is_found_among_many_stamps() -> None:
    """Among a thousand timestamps every invalid one is found, and every other is read."""
    stamps = [f"2024-01-{1 + row // 60:02} 09:{row % 60:02}:00" for row in range(1000)]
    odd = {3: "2024-13-01", 500: "", 501: "2024-01-01 24:00:00", 999: "01/02/2024"}
    bad = [odd.get(row, stamp) for row, stamp in enumerate(stamps)]
    instants, problems = from_text(pa.array(bad), Zone("Asia/Kolkata"))
    expected, _ = from_text(pa.array(stamps), Zone("Asia/Kolkata"))
    assert sorted(problems) == sorted(odd)
    assert all(repr(odd[row]) in problem for row, problem in problems.items() if odd[row])
    good = [row for row in range(1000) if row not in odd]
    assert instants[good].tolist() == expected[good].tolist()


def test_an_instant_that_no_date_can_have_is_a_problem() -> None:
    """A column of Parquet can hold years before 1 and after 9999, which no calendar day has."""
    for kind in (pa.timestamp("s"), pa.timestamp("s", tz="UTC")):
        column = pa.array([0, 300_000_000_000, -63_000_000_000], pa.int64()).cast(kind)
        numbers, problems = from_column(column, Zone("UTC"))
        assert numbers.tolist() == [0, 0, 0]
        assert sorted(problems) == [1, 2]
