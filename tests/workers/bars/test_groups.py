"""Files with a group of columns per symbol, as pandas writes the frames of yfinance; files that are newest first."""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from schemas.contract.quality import Check
from tests.workers.bars.test_formats import BARS, DAYS, bars_of, check_bars, source
from workers.bars.files.bar_file import BarFile
from workers.bars.files.parquet import ParquetFolder

FIELDS = ("Open", "High", "Low", "Close", "Volume")


def frame(
    *symbols: str, by_symbol: bool = False, names: tuple[str | None, str | None] = ("Price", "Ticker")
) -> pd.DataFrame:
    """The three bars for each symbol, in columns of two levels."""
    columns = {
        (field, symbol): [bar[place] for bar in BARS] for place, field in enumerate(FIELDS) for symbol in symbols
    }
    columns |= {("Adj Close", symbol): [1.0, 2.0, 3.0] for symbol in symbols}
    made = pd.DataFrame(columns, index=pd.DatetimeIndex(DAYS, name="Date"))
    made.columns.names = names
    return made.swaplevel(axis=1).sort_index(axis=1) if by_symbol else made


def named(made: pd.DataFrame, name: Callable[[tuple[str, str]], str]) -> pd.DataFrame:
    """The frame with one name for both levels of a column."""
    return made.set_axis([name(levels) for levels in made.columns], axis=1)


FRAMES = {
    "fields first": frame("ABC", "XY.NS"),
    "symbols first": frame("ABC", "XY.NS", by_symbol=True),
    "levels without names": frame("ABC", "XY.NS", names=(None, None)),
    "symbols first, without names": frame("ABC", "XY.NS", by_symbol=True, names=(None, None)),
    "the index as a column": frame("ABC", "XY.NS").reset_index(),
    "tuples as names": named(frame("ABC", "XY.NS"), str),
    "joined by a line": named(frame("ABC", "XY.NS"), "_".join),
    "joined by a space, symbols first": named(frame("ABC", "XY.NS", by_symbol=True), " ".join),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_group_of_columns_per_symbol_is_read_as_csv_and_as_parquet(name: str, tmp_path: Path) -> None:
    """However pandas writes two levels of columns, each symbol has its bars, in CSV and Parquet."""
    FRAMES[name].to_csv(tmp_path / "all.csv")
    FRAMES[name].to_parquet(tmp_path / "all.parquet")
    check_bars(source(tmp_path), "ABC", "XY.NS")
    check_bars(source(tmp_path, ParquetFolder), "ABC", "XY.NS")


def test_one_symbol_is_named_by_its_columns(tmp_path: Path) -> None:
    """A file of one symbol with both levels, and one without an index, is that symbol's, whatever its name is."""
    frame("ABC").reset_index().to_csv(tmp_path / "download.csv", index=False)
    frame("XY.NS").to_parquet(tmp_path / "other.parquet")
    check_bars(source(tmp_path), "ABC")
    check_bars(source(tmp_path, ParquetFolder), "XY.NS")


def test_a_file_of_several_symbols_is_opened_twice_however_many_it_has(tmp_path: Path) -> None:
    """Its head is read once, and its rows once for all of its symbols."""
    symbols = [f"S{number}" for number in range(30)]
    frame(*symbols).to_csv(tmp_path / "all.csv")
    opened = source(tmp_path)
    with mock.patch.object(BarFile, "open", autospec=True, side_effect=BarFile.open) as opening:
        check_bars(opened, *symbols)
    assert opening.call_count == 2


def test_a_day_without_a_price_is_no_bar(tmp_path: Path) -> None:
    """Days before a listing are empty, with or without a volume of 0; a symbol without any day has no bars."""
    made = frame("ABC", "NEW", "GONE")
    prices = [column for column in made.columns if column[0] != "Volume"]
    made.loc["2023-01-03", [column for column in prices if column[1] == "NEW"]] = np.nan
    made.loc["2023-01-03", ("Volume", "NEW")] = 0
    made.loc[:, [column for column in made.columns if column[1] == "GONE"]] = np.nan
    made.to_csv(tmp_path / "all.csv")
    made.to_parquet(tmp_path / "all.parquet")
    for opened in (source(tmp_path), source(tmp_path, ParquetFolder)):
        assert opened.symbols() == ["ABC", "GONE", "NEW"]
        assert [len(bars_of(opened, symbol).series) for symbol in ("ABC", "NEW", "GONE")] == [3, 2, 0]
        assert not bars_of(opened, "NEW").findings
        assert [finding.check for finding in bars_of(opened, "GONE").findings] == [Check.NO_BARS]


def test_a_bad_cell_is_a_fault_of_its_symbol_alone(tmp_path: Path) -> None:
    """The finding names the line; other symbols of the file keep all their bars."""
    made = frame("ABC", "XY.NS").astype(object)
    made.loc["2023-01-04", ("High", "ABC")] = "n/a"
    made.to_csv(tmp_path / "all.csv")
    opened = source(tmp_path)
    assert [(finding.check, finding.where) for finding in bars_of(opened, "ABC").findings] == [
        (Check.BAD_CELL, f"{tmp_path}/all.csv line 5")
    ]
    assert not bars_of(opened, "XY.NS").findings


def test_null_is_no_price_in_a_file_of_yahoo(tmp_path: Path) -> None:
    """Yahoo wrote `null` in every column of a day without trade: it is no bar."""
    lines = [f"{day},{o},{h},{low},{c},{c},{v}" for day, (o, h, low, c, v) in zip(DAYS, BARS, strict=True)]
    lines.insert(1, "2023-01-03,null,null,null,null,null,null")
    (tmp_path / "ABC.csv").write_text("\n".join(["Date,Open,High,Low,Close,Adj Close,Volume", *lines, ""]))
    check_bars(source(tmp_path), "ABC")


def _lines(days: range) -> Iterator[str]:
    yield from (f"2023-01-{day:02d},10,11,9,{day},5" for day in days)


def test_newest_first_is_no_disorder(tmp_path: Path) -> None:
    """Files that are newest first, whose names are in no order of time, have no finding; the report notes it."""
    home = tmp_path / "ABC" / "1day"
    home.mkdir(parents=True)
    for name, days in (("a", range(20, 10, -1)), ("b", range(10, 0, -1))):
        (home / f"{name}.csv").write_text("\n".join(["date,open,high,low,close,volume", *_lines(days), ""]))
        (tmp_path / f"{name}.csv").write_text((home / f"{name}.csv").read_text())
    opened = source(tmp_path)
    bars = bars_of(opened, "ABC")
    assert bars.findings == []
    assert bars.series.close.tolist() == [float(day) for day in range(1, 21)]
    assert bars.locate(0) == f"{home}/b.csv line 11"
    assert opened.understood() == ["2 files read as plain (newest first)"]


def test_disorder_inside_a_file_is_reported(tmp_path: Path) -> None:
    """A file with one row out of order, in either direction, is still unsorted."""
    for name, days in (("UP", [1, 2, 4, 3, 5]), ("DOWN", [5, 3, 4, 2, 1])):
        lines = [line for day in days for line in _lines(range(day, day + 1))]
        (tmp_path / f"{name}.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines, ""]))
    for name in ("UP", "DOWN"):
        assert [finding.check for finding in bars_of(source(tmp_path), name).findings] == [Check.UNSORTED]
