"""Bars from files: one stored form whatever the stamps, and every fault named by file and line."""

import string
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.errors import DataError, RequestError
from tests.strategies import examples
from workers.bars import store
from workers.bars.series import COLUMNS
from workers.bars.source import known_symbols, passed_over, read_bars

KOLKATA = timezone(timedelta(hours=5, minutes=30))
HEADER = ("timestamp", *COLUMNS)
SYMBOLS = ("M&M", "BAJAJ-AUTO", "^GSPC")

# Five minutes of a session, in UTC, with their prices and volume as a file has them.
TIMES = [datetime(2024, 1, 1, 3, 45, tzinfo=UTC) + timedelta(minutes=i) for i in range(5)]
VALUES = [
    ("100.5", "101.25", "99.75", "100.9", "1200"),
    ("100.9", "102", "100.9", "101.85", "0"),
    ("101.8", "101.8", "100.1", "100.15", "350.5"),
    ("100.15", "100.15", "100.15", "100.15", "1e3"),
    ("100.2", "103.333", "100.2", "103", "99"),
]

Row = Sequence[str]


def stamped(form: str) -> list[str]:
    """TIMES as a file writes them: with the offset of Kolkata, without any, or in UTC with a Z."""
    if form == "Z":
        return [f"{time:%Y-%m-%dT%H:%M:%S}Z" for time in TIMES]
    local = [time.astimezone(KOLKATA) for time in TIMES]
    if form == "naive":
        return [f"{time:%Y-%m-%d %H:%M:%S}" for time in local]
    return [time.isoformat() for time in local]


def rows(form: str = "naive") -> list[list[str]]:
    """The good file's rows."""
    return [[time, *values] for time, values in zip(stamped(form), VALUES, strict=True)]


def write_csv(path: Path, lines: Sequence[Row], header: Row = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(line) + "\n" for line in [header, *lines]))
    return path


def read_csv(folder: Path, symbol: str = "M&M") -> pa.Table:
    return read_bars(f"csv:{folder}", symbol, "1minute", "Asia/Kolkata")


def fault(folder: Path) -> str:
    """The one line that reading `M&M` from `folder` ends in."""
    with pytest.raises(DataError) as caught:
        read_csv(folder)
    line = str(caught.value)
    assert line and "\n" not in line
    return line


def written(folder: Path, lines: Sequence[Row], header: Row = HEADER) -> Path:
    """The only CSV file of `M&M` in `folder`."""
    return write_csv(folder / "M&M.csv", lines, header)


# ---- one stored form


@pytest.fixture
def stored(tmp_path: Path) -> bytes:
    """The stored bytes of the good file with offsets."""
    written(tmp_path / "reference", rows("+05:30"))
    return store.encode(read_csv(tmp_path / "reference"))


@pytest.mark.parametrize("form", ["naive", "Z", "+05:30"])
def test_stamps_of_one_instant_are_stored_alike(form: str, tmp_path: Path, stored: bytes) -> None:
    """The same bars stamped with an offset, with none, or in UTC are stored as the same bytes."""
    written(tmp_path, rows(form))
    assert store.encode(read_csv(tmp_path)) == stored


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
def test_parquet_is_stored_as_csv_is(stamps: str, tmp_path: Path, stored: bytes) -> None:
    """The same bars from Parquet, whatever the timestamps' unit and zone, are stored as the bytes that CSV gives."""
    pq.write_table(parquet_table(PARQUET_STAMPS[stamps]), tmp_path / "M&M.parquet")
    assert store.encode(read_bars(f"parquet:{tmp_path}", "M&M", "1minute", "Asia/Kolkata")) == stored


def test_how_a_file_is_laid_out_does_not_matter(tmp_path: Path, stored: bytes) -> None:
    """Column order, capitals, spaces, further columns, quotes, CRLF and a byte order mark leave the stored bytes."""
    order = (5, 0, 3, 1, 4, 2)
    header = ['"Volume"', " Timestamp", "low ", "OPEN", "Close", "High", "note"]
    lines = [header] + [[f'"{row[i]}"' for i in order] + ["x"] for row in rows("Z")]
    text = "\ufeff" + "\r\n".join(",".join(line) for line in lines)
    (tmp_path / "M&M.csv").write_text(text, newline="")
    assert store.encode(read_csv(tmp_path)) == stored


@pytest.mark.parametrize("name", ["timestamp", "datetime", "date", "time", "Date"])
def test_the_time_column_has_many_names(name: str, tmp_path: Path, stored: bytes) -> None:
    """The time column may be called timestamp, datetime, date or time."""
    written(tmp_path, rows("Z"), header=(name, *COLUMNS))
    assert store.encode(read_csv(tmp_path)) == stored


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_several_files_are_one_history(cut: int, tmp_path: Path, stored: bytes) -> None:
    """A symbol's files, taken in the order of their names, are stored as one file would be."""
    write_csv(tmp_path / "M&M" / "1minute" / "2024-01.csv", rows("Z")[:cut])
    write_csv(tmp_path / "M&M" / "1minute" / "2024-02.csv", rows("Z")[cut:])
    write_csv(tmp_path / "M&M" / "1day" / "2024-01.csv", rows("Z")[:2])
    assert store.encode(read_csv(tmp_path)) == stored


def test_stored_bars_are_what_was_read(tmp_path: Path) -> None:
    """Stored bars have UTC microseconds, the exchange's own day, and the file's numbers as they were."""
    table = read_csv(written(tmp_path, rows()).parent)
    assert table["timestamp"].to_pylist() == TIMES
    assert {str(day) for day in table["session"].to_pylist()} == {"2024-01-01"}
    for column, values in zip(COLUMNS, np.array(VALUES, dtype=np.float64).T, strict=True):
        assert np.asarray(table[column]).tolist() == values.tolist()


def test_a_session_is_a_local_day(tmp_path: Path) -> None:
    """A bar late in the UTC day belongs to the next day of an exchange to the east."""
    written(tmp_path, [["2024-01-01T20:00:00Z", *VALUES[0]]])
    for zone, day in (("Asia/Kolkata", "2024-01-02"), ("UTC", "2024-01-01"), ("America/New_York", "2024-01-01")):
        table = read_bars(f"csv:{tmp_path}", "M&M", "1minute", zone)
        assert str(table["session"][0].as_py()) == day


def test_bars_survive_the_store(tmp_path: Path) -> None:
    """Bars read back from the store are those written; other bytes under that digest are refused by name."""
    table = read_csv(written(tmp_path, rows()).parent)
    content = store.encode(table)
    row = store.describe(table, content, symbol="M&M", interval="1minute", source="csv:x", adjusted=False)
    path = tmp_path / "M&M.parquet"
    path.write_bytes(content)
    series = store.load(path, row.sha256)
    assert (row.bars, row.sessions, str(row.first), str(row.last)) == (5, 1, "2024-01-01", "2024-01-01")
    assert series.close.tolist() == np.asarray(table["close"]).tolist()
    assert series.timestamp.tolist() == [int(time.timestamp() * 1e6) for time in TIMES]
    with pytest.raises(DataError, match=r"M&M\.parquet"):
        store.load(path, "0" * 64)
    with pytest.raises(DataError, match=r"none\.parquet is missing"):
        store.load(tmp_path / "none.parquet", row.sha256)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("nested", [True, False])
def test_symbols_with_signs_in_their_names(symbol: str, nested: bool, tmp_path: Path, stored: bytes) -> None:
    """`M&M`, `BAJAJ-AUTO` and `^GSPC` are found and read from folders and from single files."""
    write_csv(tmp_path / symbol / "1minute" / "a.csv" if nested else tmp_path / f"{symbol}.csv", rows("Z"))
    assert known_symbols(f"csv:{tmp_path}", "1minute", ()) == [symbol]
    assert known_symbols(f"csv:{tmp_path}", "1minute", (symbol,)) == [symbol]
    assert store.encode(read_csv(tmp_path, symbol)) == stored


def test_symbols_are_those_with_files_of_the_interval(tmp_path: Path) -> None:
    """A symbol counts where it has files of the interval asked for; a file whose name is no symbol is passed over."""
    for symbol in SYMBOLS:
        write_csv(tmp_path / symbol / "1day" / "a.csv", rows("Z"))
    write_csv(tmp_path / "IBM" / "1minute" / "a.csv", rows("Z"))
    assert known_symbols(f"csv:{tmp_path}", "1day", ()) == sorted(SYMBOLS)
    assert known_symbols(f"csv:{tmp_path}", "1minute", ()) == ["IBM"]
    write_csv(tmp_path / "not a symbol.csv", rows("Z"))
    assert known_symbols(f"csv:{tmp_path}", "1minute", ()) == ["IBM"]
    assert passed_over(f"csv:{tmp_path}", "1minute") == ["not a symbol"]


def test_blank_lines_are_no_rows(tmp_path: Path, stored: bytes) -> None:
    """An empty line at the end of a file changes nothing."""
    path = written(tmp_path, rows("Z"))
    path.write_text(path.read_text() + "\n\n")
    assert store.encode(read_csv(tmp_path)) == stored


def test_a_symbol_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Asking for a symbol that the folder lacks names it and what there is instead."""
    write_csv(tmp_path / "IBM.csv", rows("Z"))
    with pytest.raises(RequestError, match=r"AAPL.*IBM"):
        known_symbols(f"csv:{tmp_path}", "1day", ("IBM", "AAPL"))


@pytest.mark.parametrize("folder", ["none", "."])
def test_a_folder_without_bars_is_named(folder: str, tmp_path: Path) -> None:
    """A folder that is missing, or holds no bars, is one line with its name."""
    with pytest.raises(RequestError) as caught:
        known_symbols(f"csv:{tmp_path / folder}", "1day", ())
    assert str(tmp_path / folder) in str(caught.value)


# ---- every fault by file and line


@pytest.mark.parametrize("column", HEADER)
def test_a_missing_column_is_named(column: str, tmp_path: Path) -> None:
    """A header without a needed column is refused with file, line 1 and the column."""
    place = HEADER.index(column)
    path = written(tmp_path, [r[:place] + r[place + 1 :] for r in rows()], [c for c in HEADER if c != column])
    assert fault(tmp_path).startswith(f"{path} line 1: column {column} is missing")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("text", ["abc", "", " ", "-", "1,5", "12abc", "0x1F", "1_000", "None", "NA", "₹100", "1 2"])
def test_a_cell_that_is_no_number_is_named(column: str, text: str, tmp_path: Path) -> None:
    """Text, or nothing, where a number belongs is refused with file, line and column."""
    lines = rows()
    lines[2][HEADER.index(column)] = f'"{text}"'
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 4: {column} is {text!r}")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("text", ["NaN", "nan", "inf", "-inf", "-1", "-0.01", "1e999"])
def test_a_number_that_is_no_price_is_named(column: str, text: str, tmp_path: Path) -> None:
    """NaN, infinity and what is below zero are no price and no volume: file, line and column."""
    lines = rows()
    lines[4][HEADER.index(column)] = text
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 6: {column} is ")


@pytest.mark.parametrize("column", COLUMNS[:-1])
def test_a_price_of_zero_is_named(column: str, tmp_path: Path) -> None:
    """A price of 0 is refused with file, line and column; a volume of 0 is a bar without trades."""
    lines = rows()
    lines[0][HEADER.index(column)] = "0"
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 2: {column} is 0")


def test_a_repeated_timestamp_is_named(tmp_path: Path) -> None:
    """The second of two bars of one instant is refused with file and line."""
    lines = rows()
    lines[3][0] = lines[2][0]
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 5: timestamp 2024-01-01T09:17:00+05:30 repeats")


def test_an_instant_repeated_in_another_offset_is_named(tmp_path: Path) -> None:
    """Two stamps that look different but are one instant are a repetition all the same."""
    lines = rows("Z")
    lines[3][0] = rows("+05:30")[2][0]
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 5: timestamp 2024-01-01T09:17:00+05:30 repeats")


def test_bars_out_of_order_are_named(tmp_path: Path) -> None:
    """The first bar that is earlier than the one before it is refused with file and line."""
    lines = rows()
    path = written(tmp_path, [lines[0], lines[3], lines[1], lines[2], lines[4]])
    assert "earlier" in fault(tmp_path)
    assert fault(tmp_path).startswith(f"{path} line 4: ")


@pytest.mark.parametrize(("most", "odd"), [("+05:30", "naive"), ("naive", "Z"), ("naive", "+05:30"), ("Z", "naive")])
def test_stamps_with_and_without_offset_do_not_mix(most: str, odd: str, tmp_path: Path) -> None:
    """The first stamp of another form than the file's is refused with file, line and the stamp."""
    lines = rows(most)
    lines[2][0] = rows(odd)[2][0]
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 4: ")
    assert lines[2][0] in fault(tmp_path)


@pytest.mark.parametrize("cells", [["2024-01-01 09:17:00", "1", "2"], [*rows()[2], "7"]])
def test_a_ragged_row_is_named(cells: list[str], tmp_path: Path) -> None:
    """A row with fewer or more cells than the header is refused with file and line."""
    lines: list[Row] = [*rows()[:2], cells, *rows()[3:]]
    path = written(tmp_path, lines)
    assert fault(tmp_path).startswith(f"{path} line 4: has {len(cells)} cells")


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_named(content: str, tmp_path: Path) -> None:
    """A file with nothing in it is refused with its name."""
    path = tmp_path / "M&M.csv"
    path.write_text(content)
    assert fault(tmp_path).startswith(f"{path}: is empty")


def test_a_header_alone_is_named(tmp_path: Path) -> None:
    """A file with a header and no bars is refused with file and line."""
    path = written(tmp_path, [])
    assert fault(tmp_path) == f"{path} line 2: holds no bars"


def test_the_faulty_one_of_several_files_is_named(tmp_path: Path) -> None:
    """Among several files a fault is placed in the file that has it, by that file's own lines."""
    folder = tmp_path / "M&M" / "1minute"
    write_csv(folder / "1.csv", rows()[:2])
    second = write_csv(folder / "2.csv", rows()[2:])
    assert len(read_csv(tmp_path)) == 5
    for line, column, text in ((3, "close", "-1"), (4, "volume", "many"), (2, "timestamp", "soon")):
        lines = rows()[2:]
        lines[line - 2][HEADER.index(column)] = text
        write_csv(second, lines)
        assert fault(tmp_path).startswith(f"{second} line {line}: ")
    write_csv(second, rows()[1:])
    assert fault(tmp_path).startswith(f"{second} line 2: timestamp 2024-01-01T09:16:00+05:30 repeats")


@examples(150)
@given(row=st.integers(0, 4), column=st.sampled_from(COLUMNS), text=st.text(string.printable, max_size=8))
def test_any_one_bad_number_is_named(
    tmp_path_factory: pytest.TempPathFactory, row: int, column: str, text: str
) -> None:
    """Whatever stands in one cell instead of a price or volume, its file, line and column are named."""
    assume(not set(text) & set('",\r\n') and not is_good(text, column))
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = rows()
    lines[row][HEADER.index(column)] = text
    path = written(folder, lines)
    assert fault(folder).startswith(f"{path} line {row + 2}: {column} is ")


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
    """Whatever stands in one cell instead of a timestamp, its file and line are named."""
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = rows()
    lines[row][0] = text
    path = written(folder, lines)
    assert fault(folder).startswith(f"{path} line {row + 2}: ")


@pytest.mark.parametrize("name", HEADER)
def test_a_hole_in_parquet_is_named(name: str, tmp_path: Path) -> None:
    """A null in a needed column of a Parquet file is refused with file, row and column."""
    table = parquet_table(PARQUET_STAMPS["UTC microseconds"])
    place = table.column_names.index(name)
    cells = table[name].to_pylist()
    cells[2] = None
    path = tmp_path / "M&M.parquet"
    pq.write_table(table.set_column(place, name, pa.array(cells, table[name].type)), path)
    with pytest.raises(DataError) as caught:
        read_bars(f"parquet:{tmp_path}", "M&M", "1minute", "UTC")
    assert str(caught.value).startswith(f"{path} row 3: {name} is empty")


def test_parquet_faults_are_named(tmp_path: Path) -> None:
    """A Parquet file that is none, lacks a column, holds no bars or a bad price is one line with its name."""
    path = tmp_path / "M&M.parquet"
    good = parquet_table(PARQUET_STAMPS["UTC microseconds"])
    bad = good.set_column(4, "close", pa.array([1.0, 2.0, 3.0, -4.0, 5.0]))
    faults = {"column volume is missing": good.drop_columns(["volume"]), "row 1: holds no bars": good.slice(0, 0)}
    for sentence, table in (faults | {"row 4: close is -4": bad}).items():
        pq.write_table(table, path)
        with pytest.raises(DataError) as caught:
            read_bars(f"parquet:{tmp_path}", "M&M", "1minute", "UTC")
        assert str(path) in str(caught.value) and sentence in str(caught.value)
    path.write_bytes(b"timestamp,open\n")
    with pytest.raises(DataError) as caught:
        read_bars(f"parquet:{tmp_path}", "M&M", "1minute", "UTC")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_parquet_prices_may_be_of_any_number_type(kind: pa.DataType, tmp_path: Path) -> None:
    """Prices are stored as 64-bit floats whatever the file's own type."""
    pq.write_table(parquet_table(PARQUET_STAMPS["UTC microseconds"], kind), tmp_path / "M&M.parquet")
    table = read_bars(f"parquet:{tmp_path}", "M&M", "1minute", "UTC")
    assert {table[column].type for column in COLUMNS} == {pa.float64()}
    assert np.asarray(table["close"]) == pytest.approx([float(row[3]) for row in VALUES])


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    """Text in another encoding is refused with the file's name, not with a decoder's traceback."""
    path = written(tmp_path, rows())
    path.write_bytes(path.read_bytes().replace(b"timestamp", "timestämp".encode("latin-1")))
    assert str(path) in fault(tmp_path)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """Two columns that both claim to be the close are refused."""
    written(tmp_path, [[*row, "1"] for row in rows()], [*HEADER, "Close"])
    assert "line 1" in fault(tmp_path)
    assert "twice" in fault(tmp_path)


def test_a_time_that_the_clocks_show_twice_is_named(tmp_path: Path) -> None:
    """A naive stamp in the hour that a zone repeats is refused with its line."""
    stamps = ["2024-11-02 01:30:00", "2024-11-03 01:30:00", "2024-11-04 01:30:00"]
    path = written(tmp_path, [[stamp, *row[1:]] for stamp, row in zip(stamps, rows(), strict=False)])
    with pytest.raises(DataError) as caught:
        read_bars(f"csv:{tmp_path}", "M&M", "1day", "America/New_York")
    assert f"{path} line 3" in str(caught.value)
