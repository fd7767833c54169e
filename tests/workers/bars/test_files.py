"""Bars from files: all forms are read to the same bars, and every fault is named by file and line."""

import string
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.config.sources import SOURCES
from schemas.contract.errors import RequestError
from schemas.contract.quality import Check
from tests.strategies import examples
from tests.workers.bars.files import (
    HEADER,
    KOLKATA,
    SYMBOL,
    TIMES,
    VALUES,
    Row,
    good_table,
    only,
    read,
    read_parquet,
    rows,
    stamped,
    table,
    write_csv,
    written,
)
from workers.bars.clean import clean
from workers.bars.series import COLUMNS
from workers.bars.sources.sample import Sample
from workers.bars.sources.source_protocol import SourceRequest

# ---- one form


def test_how_a_file_is_laid_out_does_not_matter(tmp_path: Path) -> None:
    """Column order, capitals, spaces, further columns, quotes, CRLF and a byte order mark change nothing."""
    order = (5, 0, 3, 1, 4, 2)
    header = ['"Volume"', " Timestamp", "low ", "OPEN", "Close", "High", "note", ""]
    lines = [header] + [[f'"{row[i]}"' for i in order] + ["x", ""] for row in rows("Z")]
    text = "\ufeff" + "\r\n".join(",".join(line) for line in lines)
    (tmp_path / "M&M.csv").write_text(text, newline="")
    assert table(read(tmp_path)).equals(good_table())


@pytest.mark.parametrize("name", ["timestamp", "datetime", "date", "time", "Date"])
def test_the_time_column_has_many_names(name: str, tmp_path: Path) -> None:
    """The time column may be called timestamp, datetime, date or time."""
    written(tmp_path, rows("Z"), header=(name, *COLUMNS))
    assert table(read(tmp_path)).equals(good_table())


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """Empty lines before the header, between rows and at the end change nothing; lines are counted with them."""
    path = written(tmp_path, rows("Z"))
    text = path.read_text().splitlines()
    path.write_text("\n".join(["", *text[:3], "", "", *text[3:], "", ""]))
    bars = read(tmp_path)
    assert table(bars).equals(good_table())
    assert [bars.locate(row) for row in range(5)] == [f"{path} line {line}" for line in (3, 4, 7, 8, 9)]


def test_a_lone_carriage_return_ends_a_line(tmp_path: Path) -> None:
    """A carriage return alone ends a line, also for line numbers."""
    path = written(tmp_path, rows("Z"))
    header, *lines = path.read_text().splitlines()
    path.write_bytes(f"{header}\n{lines[0]}\r{lines[1]}\n\n{lines[2]}\n{lines[3]}\n{lines[4]}\n".encode())
    bars = read(tmp_path)
    assert table(bars).equals(good_table())
    assert [bars.locate(row) for row in range(5)] == [f"{path} line {line}" for line in (2, 3, 5, 6, 7)]


def test_spaces_around_cells_do_not_matter(tmp_path: Path) -> None:
    """Spaces around timestamps and numbers are ignored."""
    written(tmp_path, [[f" {cell} " for cell in row] for row in rows("Z")])
    assert table(read(tmp_path)).equals(good_table())


def test_notes_may_be_in_any_encoding(tmp_path: Path) -> None:
    """Text in another encoding in an unused column is not a fault, also when a block is read cell by cell."""
    lines = [[*row, "note"] for row in rows()]
    path = written(tmp_path, lines, [*HEADER, "note"])
    path.write_bytes(path.read_bytes().replace(b",1200,note", ",1200,nöte".encode("latin-1")))
    assert table(read(tmp_path)).equals(good_table())
    path.write_bytes(path.read_bytes().replace(b",100.9,1200", b", 100.9 ,1200"))
    assert table(read(tmp_path)).equals(good_table())


PARQUET_STAMPS = {
    "UTC microseconds": pa.array(TIMES, pa.timestamp("us", tz="UTC")),
    "Kolkata microseconds": pa.array(TIMES, pa.timestamp("us", tz="Asia/Kolkata")),
    "UTC nanoseconds": pa.array(TIMES, pa.timestamp("ns", tz="UTC")),
    "UTC seconds": pa.array(TIMES, pa.timestamp("s", tz="UTC")),
    "naive microseconds": pa.array([t.astimezone(KOLKATA).replace(tzinfo=None) for t in TIMES], pa.timestamp("us")),
    "naive milliseconds": pa.array([t.astimezone(KOLKATA).replace(tzinfo=None) for t in TIMES], pa.timestamp("ms")),
    "text with offset": pa.array(stamped("+05:30")),
    "text without": pa.array(stamped("naive")),
}


def parquet_table(stamps: pa.Array, kind: pa.DataType | None = None) -> pa.Table:
    """The good bars as a Parquet file has them, prices as `kind`."""
    numbers = np.array(VALUES, dtype=np.float64).T
    return pa.table({"timestamp": stamps} | {c: pa.array(v, kind) for c, v in zip(COLUMNS, numbers, strict=True)})


@pytest.mark.parametrize("stamps", PARQUET_STAMPS)
def test_parquet_is_read_as_csv_is(stamps: str, tmp_path: Path) -> None:
    """Parquet gives the same bars as CSV, for timestamps of any unit and zone."""
    pq.write_table(parquet_table(PARQUET_STAMPS[stamps]), tmp_path / "M&M.parquet")
    bars = read_parquet(tmp_path)
    assert table(bars).equals(good_table())
    assert bars.locate(4) == f"{tmp_path / 'M&M.parquet'} row 5"


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.decimal128(12, 4), pa.string()])
def test_parquet_prices_may_be_of_any_number_type(kind: pa.DataType, tmp_path: Path) -> None:
    """Prices become 64-bit floats from any type in the file, text included."""
    good = parquet_table(PARQUET_STAMPS["UTC microseconds"])
    for place, name in enumerate(COLUMNS, start=1):
        good = good.set_column(place, name, good[name].cast(kind))
    pq.write_table(good, tmp_path / "M&M.parquet")
    series = read_parquet(tmp_path).series
    assert {getattr(series, column).dtype for column in COLUMNS} == {np.dtype(np.float64)}
    assert series.close == pytest.approx([float(row[3]) for row in VALUES])


def test_the_sample_is_clean() -> None:
    """Every symbol of the sample has adjusted daily bars in UTC without a finding; other intervals are refused."""
    sample = Sample(SourceRequest("", "1day", "Asia/Kolkata"))
    assert sample.timezone == SOURCES["sample"].timezone == "UTC"
    for symbol in sample.symbols():
        raw = sample.read(symbol)
        bars = clean(raw, sample.timezone)
        assert raw.adjusted
        assert bars.findings == []
        assert len(bars.series) == len(raw) > 100
        assert bars.locate(0) == f"sample {symbol} row 1"
    with pytest.raises(RequestError, match="1minute"):
        Sample(SourceRequest("", "1minute", "UTC")).symbols()


# ---- every fault by file and line


@pytest.mark.parametrize("column", HEADER)
def test_a_missing_column_is_named(column: str, tmp_path: Path) -> None:
    """A header without a required column rejects the file; file, line 1 and the column are named."""
    place = HEADER.index(column)
    path = written(tmp_path, [r[:place] + r[place + 1 :] for r in rows()], [c for c in HEADER if c != column])
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert finding.where == f"{path} line 1"
    assert finding.detail.startswith(f"column {column} is missing")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("text", ["abc", "", " ", "-", "1,5", "12abc", "0x1F", "1_000", "None", "NA", "₹100", "1 2"])
def test_a_cell_that_is_no_number_is_named(column: str, text: str, tmp_path: Path) -> None:
    """Text or an empty cell in place of a number is named by file, line and column; other rows are kept."""
    lines = rows()
    lines[2][HEADER.index(column)] = f'"{text}"'
    path = written(tmp_path, lines)
    bars = read(tmp_path)
    finding = only(bars, Check.BAD_CELL)
    assert (finding.where, finding.detail) == (f"{path} line 4", f"{column} is {text!r}, not a number")
    assert table(bars).equals(good_table([0, 1, 3, 4]))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("text", ["NaN", "nan", "inf", "-inf", "-1", "-0.01", "1e999"])
def test_a_number_that_is_no_price_is_named(column: str, text: str, tmp_path: Path) -> None:
    """NaN, infinity and negative numbers are named by file, line and column, with what is expected."""
    lines = rows()
    lines[4][HEADER.index(column)] = text
    path = written(tmp_path, lines)
    finding = only(read(tmp_path), Check.BAD_CELL)
    assert finding.where == f"{path} line 6"
    assert finding.detail.startswith(f"{column} is {float(text):g}, not a ")


@pytest.mark.parametrize("column", COLUMNS[:-1])
def test_a_price_of_zero_is_named(column: str, tmp_path: Path) -> None:
    """A price of 0 is named by file, line and column; a volume of 0 is a bar without trades."""
    lines = rows()
    lines[0][HEADER.index(column)] = "0"
    path = written(tmp_path, lines)
    finding = only(read(tmp_path), Check.BAD_CELL)
    assert (finding.where, finding.detail[: len(column) + 5]) == (f"{path} line 2", f"{column} is 0")


@pytest.mark.parametrize(("most", "odd"), [("+05:30", "naive"), ("naive", "Z"), ("naive", "+05:30"), ("Z", "naive")])
def test_stamps_with_and_without_offset_do_not_mix(most: str, odd: str, tmp_path: Path) -> None:
    """A timestamp in another form than most of the file's is left out and named by file and line."""
    lines = rows(most)
    lines[2][0] = rows(odd)[2][0]
    path = written(tmp_path, lines)
    bars = read(tmp_path)
    finding = only(bars, Check.BAD_CELL)
    assert (finding.where, lines[2][0] in finding.detail) == (f"{path} line 4", True)
    assert table(bars).equals(good_table([0, 1, 3, 4]))


@pytest.mark.parametrize("cells", [["2024-01-01 09:17:00", "1", "2"], [*rows()[2], "7"]])
def test_a_ragged_row_is_named(cells: list[str], tmp_path: Path) -> None:
    """A row with fewer or more cells than the header is named by file and line; the other rows are kept."""
    lines: list[Row] = [*rows()[:2], cells, *rows()[3:]]
    path = written(tmp_path, lines)
    bars = read(tmp_path)
    finding = only(bars, Check.UNREADABLE)
    assert (finding.where, finding.detail) == (
        f"{path} line 4",
        f"has {len(cells)} cells, the header has 6; remove it if it is no bar",
    )
    assert table(bars).equals(good_table([0, 1, 3, 4]))


def test_a_quote_that_is_not_closed_is_named(tmp_path: Path) -> None:
    """A quotation mark that is never closed is named by the line on which it begins."""
    lines = rows()
    lines[2][5] = '"350.5'
    folder = tmp_path / SYMBOL / "1minute"
    path = write_csv(folder / "1.csv", lines)
    write_csv(folder / "2.csv", rows()[3:])
    bars = read(tmp_path)
    assert {finding.where for finding in bars.findings} == {f"{path} line 4"}
    assert table(bars).equals(good_table([0, 1, 3, 4]))


def test_every_fault_is_in_one_report(tmp_path: Path) -> None:
    """One reading names every bad cell and row of every file and keeps every good row."""
    folder = tmp_path / SYMBOL / "1minute"
    bad = [list(row) for row in rows()]
    bad[0][4], bad[0][5], bad[2][0], bad[3] = "x", "y", "soon", ["1", "2"]
    first, second = write_csv(folder / "1.csv", bad), folder / "2.csv"
    third = write_csv(folder / "3.csv", [[*row[:4], "-1", *row[5:]] for row in rows()[:1]])
    second.write_text("")
    bars = read(tmp_path)
    named = [part for finding in bars.findings for part in f"{finding.where}: {finding.detail}".split("; ")]
    unreadable, bad_cells = [f"{first} line 5", f"{second} line 1"], [f"{first} line {line}" for line in (2, 2, 4)]
    places = [part.partition(": ")[0] for part in named if part.startswith(str(folder))]
    assert sorted(places) == sorted([*unreadable, *bad_cells, f"{third} line 2"])
    assert table(bars).equals(good_table([1, 4]))


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_named(content: str, tmp_path: Path) -> None:
    """A file with nothing in it is named."""
    path = tmp_path / "M&M.csv"
    path.write_text(content)
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert (finding.where, finding.detail[:8]) == (f"{path} line 1", "is empty")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """An error of the operating system is a finding with the file's name, for CSV and for Parquet."""
    for suffix, reading in ((".csv", read), (".parquet", read_parquet)):
        path = tmp_path / f"M&M{suffix}"
        path.write_bytes(b"x")
        with (
            mock.patch.object(Path, "open", side_effect=PermissionError(13, "Permission denied")),
            mock.patch("pyarrow.parquet.read_schema", side_effect=PermissionError(13, "Permission denied")),
        ):
            finding = only(reading(tmp_path), Check.UNREADABLE)
        assert (finding.where, "Permission denied" in finding.detail) == (str(path), True)


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    """A header in another encoding is a finding with the file's name, not a traceback."""
    path = written(tmp_path, rows())
    path.write_bytes(path.read_bytes().replace(b"timestamp", "timestämp".encode("latin-1")))
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert (finding.where, "UTF-8" in finding.detail) == (f"{path} line 1", True)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """Two columns named close are refused."""
    path = written(tmp_path, [[*row, "1"] for row in rows()], [*HEADER, "Close"])
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert (finding.where, finding.detail) == (f"{path} line 1", "column close appears twice; keep one")


def test_a_time_that_the_clocks_show_twice_is_named(tmp_path: Path) -> None:
    """A timestamp without offset in a repeated hour is named by its line; other days are kept."""
    stamps = ["2024-11-02 01:30:00", "2024-11-03 01:30:00", "2024-11-04 01:30:00"]
    path = written(tmp_path, [[stamp, *row[1:]] for stamp, row in zip(stamps, rows(), strict=False)])
    bars = read(tmp_path, zone="America/New_York")
    finding = only(bars, Check.BAD_CELL)
    assert (finding.where, "America/New_York" in finding.detail) == (f"{path} line 3", True)
    assert len(bars.series) == 2


@examples(120)
@given(row=st.integers(0, 4), column=st.sampled_from(COLUMNS), text=st.text(string.printable, max_size=8))
def test_any_one_bad_number_is_named(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: str, text: str
) -> None:
    """Any text in one cell in place of a price or volume is named by file, line and column."""
    assume(not set(text) & set('",\r\n') and not is_good(text, column))
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = rows()
    lines[row][HEADER.index(column)] = text
    path = written(folder, lines)
    finding = only(read(folder), Check.BAD_CELL)
    assert finding.where == f"{path} line {row + 2}"
    assert finding.detail.startswith(f"{column} is ")


def is_good(text: str, column: str) -> bool:
    """Whether `text` is a number that `column` may hold."""
    try:
        number = float(text.replace("_", "x"))
    except ValueError:
        return False
    return bool(np.isfinite(number)) and (number > 0 or (number == 0 and column == "volume"))


@examples(80)
@given(row=st.integers(0, 4), text=st.text(string.ascii_letters + " -:/.+", max_size=25))
def test_any_one_bad_timestamp_is_named(tmp_path_factory: pytest.TempPathFactory, row: int, text: str) -> None:
    """Any text in one cell in place of a timestamp is named by file and line."""
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = rows()
    lines[row][0] = text
    path = written(folder, lines)
    bars = read(folder)
    assert only(bars, Check.BAD_CELL).where == f"{path} line {row + 2}"
    assert table(bars).equals(good_table([other for other in range(5) if other != row]))


# ---- Parquet's own faults


@pytest.mark.parametrize("name", HEADER)
def test_a_hole_in_parquet_is_named(name: str, tmp_path: Path) -> None:
    """A null in a required column of a Parquet file is named by file, row and column; other rows are kept."""
    good = parquet_table(PARQUET_STAMPS["UTC microseconds"])
    cells = good[name].to_pylist()
    cells[2] = None
    path = tmp_path / "M&M.parquet"
    pq.write_table(good.set_column(HEADER.index(name), name, pa.array(cells, good[name].type)), path, 2)
    bars = read_parquet(tmp_path)
    finding = only(bars, Check.BAD_CELL)
    assert (finding.where, finding.detail) == (f"{path} row 3", f"{name} is empty")
    assert table(bars).equals(good_table([0, 1, 3, 4]))


def test_parquet_text_that_is_no_number_is_named(tmp_path: Path) -> None:
    """Text columns of Parquet are read cell by cell, as CSV is."""
    path = tmp_path / "M&M.parquet"
    good = parquet_table(PARQUET_STAMPS["text without"])
    texts = [row[3] for row in VALUES[:4]] + ["abc"]
    pq.write_table(good.set_column(4, "close", pa.array(texts)), path)
    finding = only(read_parquet(tmp_path), Check.BAD_CELL)
    assert (finding.where, finding.detail) == (f"{path} row 5", "close is 'abc', not a number")


def test_parquet_faults_are_named(tmp_path: Path) -> None:
    """A file that is not Parquet, lacks a column, has no bars or a bad price is named in one line."""
    path = tmp_path / "M&M.parquet"
    good = parquet_table(PARQUET_STAMPS["UTC microseconds"])
    bad = good.set_column(4, "close", pa.array([1.0, 2.0, 3.0, -4.0, 5.0]))
    pq.write_table(good.drop_columns(["volume"]), path)
    assert "column volume is missing" in only(read_parquet(tmp_path), Check.UNREADABLE).detail
    pq.write_table(good.slice(0, 0), path)
    assert only(read_parquet(tmp_path), Check.NO_BARS).where == str(path)
    pq.write_table(bad, path)
    assert only(read_parquet(tmp_path), Check.BAD_CELL).where == f"{path} row 4"
    path.write_bytes(b"timestamp,open\n")
    finding = only(read_parquet(tmp_path), Check.UNREADABLE)
    assert finding.where == str(path)
    assert "\n" not in finding.detail
