"""A bar of a day or a week belongs to the date that is written, whatever its offset and the zone of the sessions."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.interval import Interval
from tests.strategies import examples
from tests.workers.bars.files import HEADER, SYMBOL, VALUES, read, read_parquet, written
from workers.bars.calendar import day_of
from workers.bars.files.local_time import Zone
from workers.bars.files.timestamps import from_column, from_text
from workers.bars.raw_bars import CleanBars

# Clocks change between the second and the third day, in Paris; the last two days are in summer everywhere.
DAYS = [date(2024, 3, 28), date(2024, 3, 29), date(2024, 4, 1), date(2024, 7, 1), date(2024, 7, 2)]
SESSIONS = ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Auckland", "Pacific/Honolulu"]
WRITERS = ["Europe/Paris", "Europe/London", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "UTC"]


def midnights(writer: str) -> list[datetime]:
    """The beginnings of the days by the clock of `writer`, in summer and in winter."""
    return [datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(writer)) for day in DAYS]


def dates(bars: CleanBars) -> list[date]:
    """The sessions of bars that have no finding."""
    assert bars.findings == []
    return [day_of(session) for session in bars.series.session]


def bars_of(stamps: list[str]) -> list[list[str]]:
    """Lines of a file with these stamps."""
    return [[stamp, *values] for stamp, values in zip(stamps, VALUES, strict=True)]


@pytest.mark.parametrize("sessions", SESSIONS)
@pytest.mark.parametrize("writer", WRITERS)
def test_the_date_of_a_daily_bar_is_the_date_that_is_written(tmp_path: Path, writer: str, sessions: str) -> None:
    """Text with mixed offsets, as yfinance and pandas write it: every bar keeps its date, as if there were no offset.

    Midnight +01:00 is an instant of the day before in UTC, and midnight -05:00 one of the next day in Auckland.
    """
    offsets = read(written(tmp_path / "offsets", bars_of(list(map(str, midnights(writer))))).parent, zone=sessions,
                   interval="1day")  # fmt: skip
    plain = read(written(tmp_path / "plain", bars_of(list(map(str, DAYS)))).parent, zone=sessions, interval="1day")
    assert dates(offsets) == dates(plain) == DAYS
    assert offsets.series.timestamp.tolist() == plain.series.timestamp.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("writer", [*WRITERS, "+05:30"])
def test_the_date_of_a_daily_bar_of_parquet_is_that_of_its_columns_zone(tmp_path: Path, writer: str, unit: str) -> None:
    """A column with a zone, as pandas, polars, dask and pyarrow write it, of any unit."""
    zone = "Asia/Kolkata" if writer.startswith("+") else writer
    stamps = pa.array([int(each.timestamp()) for each in midnights(zone)], pa.timestamp("s", tz=writer))
    columns = [
        stamps.cast(pa.timestamp(unit, tz=writer)),
        *(pa.array(list(map(float, c))) for c in zip(*VALUES, strict=True)),
    ]
    pq.write_table(pa.table(columns, list(HEADER)), tmp_path / f"{SYMBOL}.parquet")
    for sessions in SESSIONS:
        assert dates(read_parquet(tmp_path, zone=sessions, interval="1day")) == DAYS


def test_an_index_with_a_zone_in_a_part_of_a_data_set_keeps_its_dates(tmp_path: Path) -> None:
    """dask and yfinance have the time as the index, in the exchange's zone: `TCS.parquet/part.0.parquet`."""
    index = pd.DatetimeIndex(midnights("America/New_York"), name="Date")
    frame = pd.DataFrame([list(map(float, values)) for values in VALUES], index, list(HEADER[1:]))
    (tmp_path / f"{SYMBOL}.parquet").mkdir()
    frame.to_parquet(tmp_path / f"{SYMBOL}.parquet" / "part.0.parquet")
    assert dates(read_parquet(tmp_path, zone="UTC", interval="1day")) == DAYS
    assert dates(read_parquet(tmp_path, zone="Asia/Kolkata", interval="1day")) == DAYS


@pytest.mark.parametrize(
    ("stamp", "sessions", "day"),
    [
        ("2024-01-02T00:00:00Z", "America/New_York", "2024-01-02"),
        ("2024-01-02T16:00:00-05:00", "Asia/Kolkata", "2024-01-02"),
        # A time of day in UTC is an instant: it has the date of the sessions' zone.
        ("2024-01-01T18:30:00Z", "Asia/Kolkata", "2024-01-02"),
        ("2024-01-01 23:00:00+00:00", "Australia/Sydney", "2024-01-02"),
        ("2024-01-02T05:00:00Z", "America/New_York", "2024-01-02"),
        # So is one that is midnight there, of a program that keeps one offset all year.
        ("2024-07-01 23:00:00+01:00", "Europe/Paris", "2024-07-02"),
        # Epochs: midnight in UTC, and midnight and 09:15 in Kolkata.
        ("1704153600", "America/New_York", "2024-01-02"),
        ("1704133800", "Asia/Kolkata", "2024-01-02"),
        ("1704167100000", "Asia/Kolkata", "2024-01-02"),
        # Clocks skip this midnight: the day is none the less the one that is written.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04"),
        ("2018-11-04 00:00:00-03:00", "America/Sao_Paulo", "2018-11-04"),
    ],
)
def test_the_day_of_one_stamp(tmp_path: Path, stamp: str, sessions: str, day: str) -> None:
    """Which day a daily bar is of, by its stamp and the zone of the sessions."""
    folder = written(tmp_path, [[stamp, *VALUES[0]]]).parent
    for interval in ("1day", "1week"):
        found = read(folder, zone=sessions, interval=interval)
        assert dates(found) == [date.fromisoformat(day)]


def test_a_formats_own_zone_does_not_move_a_daily_bar(tmp_path: Path) -> None:
    """Dukascopy's daily bars begin at midnight GMT; in New York that is the evening before."""
    lines = [[f"{day:%d.%m.%Y} 00:00:00.000", *values] for day, values in zip(DAYS, VALUES, strict=True)]
    folder = written(tmp_path, lines, ("Gmt time", *HEADER[1:])).parent
    assert dates(read(folder, zone="America/New_York", interval="1day")) == DAYS


@pytest.mark.parametrize("interval", ["1minute", "240minute"])
def test_an_intraday_bar_is_an_instant(tmp_path: Path, interval: Interval) -> None:
    """Midnight +01:00 is 23:00 of the day before in UTC, for bars of minutes."""
    folder = written(tmp_path, bars_of(list(map(str, midnights("Europe/Paris"))))).parent
    found = read(folder, zone="UTC", interval=interval)
    assert dates(found)[0] == DAYS[0] - timedelta(days=1)


@examples(200)
@given(
    day=st.dates(date(1950, 1, 1), date(2035, 1, 1)),
    offset=st.integers(-14 * 4, 14 * 4).filter(bool).map(lambda quarters: 15 * quarters),
    sessions=st.sampled_from([*SESSIONS, "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe"]),
)
def test_midnight_of_any_offset_is_the_day_that_is_written(day: date, offset: int, sessions: str) -> None:
    """Text and typed columns agree with the date alone, for any offset of a quarter of an hour and any zone."""
    moment = datetime(day.year, day.month, day.day, tzinfo=timezone(timedelta(minutes=offset)))
    zone = Zone(sessions, by_day=True)
    kind = pa.timestamp("us", tz=f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}")
    typed, _ = from_column(pa.array([moment.astimezone(UTC)], pa.timestamp("us", tz="UTC")).cast(kind), zone)
    text, problems = from_text(pa.array([moment.isoformat()]), zone)
    alone, unclear = from_text(pa.array([day.isoformat()]), zone)
    assert problems == unclear == {}
    assert typed.tolist() == text.tolist() == alone.tolist()
