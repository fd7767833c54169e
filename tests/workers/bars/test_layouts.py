"""Layouts of bars: folders, files of one symbol, and files of many symbols."""

import gc
import random
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.interval import Interval
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import is_symbol
from schemas.contract.quality import Check
from tests.strategies import examples
from tests.workers.bars.files import (
    FORMS,
    HEADER,
    SYMBOL,
    ZONE,
    good_table,
    only,
    read,
    read_parquet,
    rows,
    table,
    write_csv,
    written,
)
from workers.bars.clean import clean
from workers.bars.files.blocks import Block
from workers.bars.files.csv import CsvFolder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest

SYMBOLS = ["M&M", "BAJAJ-AUTO", "^GSPC"]


def listed(folder: Path, interval: Interval = "1minute") -> list[str]:
    """The names in a folder of CSV files."""
    return CsvFolder(SourceRequest(str(folder), interval, ZONE)).symbols()


def owned(lines: list[list[str]], symbol: str) -> list[list[str]]:
    """Rows with their symbol before them."""
    return [[symbol, *line] for line in lines]


# ---- files and folders of one symbol


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("nested", [True, False])
def test_symbols_with_signs_in_their_names(symbol: str, nested: bool, tmp_path: Path) -> None:
    """`M&M`, `BAJAJ-AUTO` and `^GSPC` are found and read from folders and from single files."""
    write_csv(tmp_path / symbol / "1minute" / "a.csv" if nested else tmp_path / f"{symbol}.csv", rows("Z"))
    assert listed(tmp_path) == [symbol]
    assert table(read(tmp_path, symbol)).equals(good_table())


def test_symbols_are_those_with_files_of_the_interval(tmp_path: Path) -> None:
    """A folder is a symbol if it has files of the interval; a file is a symbol under any name."""
    for symbol in SYMBOLS:
        write_csv(tmp_path / symbol / "1day" / "a.csv", rows("Z"))
    write_csv(tmp_path / "IBM" / "1minute" / "a.csv", rows("Z"))
    assert listed(tmp_path, "1day") == sorted(SYMBOLS)
    assert listed(tmp_path) == ["IBM"]
    write_csv(tmp_path / "not a symbol.csv", rows("Z"))
    assert listed(tmp_path) == ["IBM", "not-a-symbol"]


@pytest.mark.parametrize("cut", [1, 3, 4])
def test_several_files_are_one_history(cut: int, tmp_path: Path) -> None:
    """A symbol's files are read in the order of their names; files of another interval are not."""
    write_csv(tmp_path / SYMBOL / "1minute" / "2024-01.csv", rows("Z")[:cut])
    write_csv(tmp_path / SYMBOL / "1minute" / "2024-02.csv", rows("Z")[cut:])
    write_csv(tmp_path / SYMBOL / "1day" / "2024-01.csv", rows("Z")[:2])
    bars = read(tmp_path)
    assert table(bars).equals(good_table())
    assert bars.findings == []


def test_each_file_has_its_own_columns(tmp_path: Path) -> None:
    """Each file of a symbol may have another order of columns."""
    folder = tmp_path / SYMBOL / "1minute"
    swapped = ["timestamp", "open", "low", "high", "close", "volume"]
    write_csv(folder / "1.csv", rows()[:2])
    write_csv(folder / "2.csv", [[*row[:2], row[3], row[2], *row[4:]] for row in rows()[2:4]], swapped)
    write_csv(folder / "3.csv", rows()[4:])
    assert table(read(tmp_path)).equals(good_table())


def test_each_file_has_its_own_form_of_timestamps(tmp_path: Path) -> None:
    """Files of one symbol may have timestamps with an offset, without one, or in UTC."""
    for number, form in enumerate([*FORMS, FORMS[0], FORMS[1]]):
        write_csv(tmp_path / SYMBOL / "1minute" / f"{number}.csv", [rows(form)[number]])
    assert table(read(tmp_path)).equals(good_table())


def test_a_file_may_be_given_instead_of_its_folder(tmp_path: Path) -> None:
    """`csv:FILE` is that file only; its name is the symbol."""
    path = written(tmp_path, rows())
    written(tmp_path / "other", rows())
    assert listed(path) == [SYMBOL]
    assert table(read(path)).equals(good_table())


def test_endings_may_be_capitals(tmp_path: Path) -> None:
    """A file called SYMBOL.CSV is a CSV file."""
    written(tmp_path, rows()).rename(tmp_path / "IBM.CSV")
    assert listed(tmp_path) == ["IBM"]
    assert table(read(tmp_path, "IBM")).equals(good_table())


@pytest.mark.parametrize("folder", ["none", "."])
@pytest.mark.parametrize("kind", [CsvFolder, ParquetFolder])
def test_a_folder_without_bars_is_named(kind: type[CsvFolder | ParquetFolder], folder: str, tmp_path: Path) -> None:
    """A missing folder is named, and so is one without bars, with the expected layouts."""
    with pytest.raises(RequestError) as caught:
        kind(SourceRequest(str(tmp_path / folder), "1day", ZONE)).symbols()
    assert str(tmp_path / folder) in str(caught.value)
    assert folder == "none" or f"SYMBOL/1day/*{kind.suffix}" in str(caught.value)


def test_files_that_went_away_are_a_finding(tmp_path: Path) -> None:
    """A symbol whose files are gone gets a finding, not a traceback."""
    written(tmp_path, rows()).rename(tmp_path / "IBM.csv")
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert (finding.where, SYMBOL in finding.detail) == (str(tmp_path), True)


def test_a_symbol_in_two_places_is_in_neither(tmp_path: Path) -> None:
    """A symbol found in two of folder, file and file of many symbols is rejected; both places are named."""
    nested = write_csv(tmp_path / SYMBOL / "1minute" / "a.csv", rows()).parent
    single = written(tmp_path, rows())
    finding = only(read(tmp_path), Check.UNREADABLE)
    assert (finding.where, str(single) in finding.detail) == (str(nested), True)
    single.unlink()
    many = write_csv(tmp_path / "all.csv", owned(rows(), SYMBOL), ["symbol", *HEADER])
    assert str(many) in only(read(tmp_path), Check.UNREADABLE).detail
    assert len(read(tmp_path).series) == 0


# ---- files of many symbols


@pytest.mark.parametrize("name", ["symbol", "ticker", "TradingSymbol", " Symbol "])
def test_a_file_of_many_symbols_has_a_symbol_column(name: str, tmp_path: Path) -> None:
    """The column may be named symbol, ticker or tradingsymbol; the file's name does not matter."""
    lines = [line for symbol in SYMBOLS for line in owned(rows(), symbol)]
    path = write_csv(tmp_path / "IBM.csv", lines, [name, *HEADER])
    assert listed(tmp_path) == listed(path) == sorted(SYMBOLS)
    for symbol in SYMBOLS:
        assert table(read(tmp_path, symbol)).equals(good_table())


@examples(60)
@given(seed=st.integers(0, 2**16), files=st.integers(1, 3), block=st.sampled_from([60, 300, 1 << 20]))
def test_symbols_may_be_mixed_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, files: int, block: int
) -> None:
    """Each symbol gets its own rows, located by file and line, from mixed rows of one or several files."""
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = [line for symbol in SYMBOLS for line in owned(rows("Z"), symbol)]
    random.Random(seed).shuffle(lines)
    places = {}
    for number in range(files):
        path = write_csv(folder / f"{number}.csv", lines[number::files], ["symbol", *HEADER])
        places.update({(line[0], line[1]): f"{path} line {i}" for i, line in enumerate(lines[number::files], start=2)})
    with mock.patch("workers.bars.files.blocks.BLOCK_BYTES", block):
        opened = CsvFolder(SourceRequest(str(folder), "1minute", ZONE))
        assert opened.symbols() == sorted(SYMBOLS)
        for symbol in SYMBOLS:
            bars = clean(opened.read(symbol), ZONE)
            assert table(bars).equals(good_table())
            expected = [places[symbol, line[0]] for line in rows("Z")]
            assert [bars.locate(row) for row in range(5)] == expected


def test_a_bad_cell_is_its_own_symbols(tmp_path: Path) -> None:
    """A row that cannot be read rejects its own symbol only."""
    lines = [line for symbol in SYMBOLS for line in owned(rows(), symbol)]
    lines[7][5] = "abc"
    path = write_csv(tmp_path / "all.csv", lines, ["symbol", *HEADER])
    finding = only(read(tmp_path, SYMBOLS[1]), Check.BAD_CELL)
    assert (finding.where, finding.detail) == (f"{path} line 9", "close is 'abc', not a number")
    for symbol in (SYMBOLS[0], SYMBOLS[2]):
        bars = read(tmp_path, symbol)
        assert bars.findings == []
        assert table(bars).equals(good_table())


@pytest.mark.parametrize(("cells", "check"), [(["", *rows()[0]], Check.BAD_CELL), ([" "], Check.UNREADABLE)])
def test_a_row_without_symbol_rejects_all(cells: list[str], check: Check, tmp_path: Path) -> None:
    """A row without a symbol may belong to any: each symbol of that part of the file is rejected."""
    lines = [line for symbol in SYMBOLS for line in owned(rows(), symbol)]
    path = write_csv(tmp_path / "all.csv", [*lines[:6], cells, *lines[6:]], ["symbol", *HEADER])
    assert [name for name in listed(tmp_path) if name] == sorted(SYMBOLS)
    for symbol in SYMBOLS:
        assert only(read(tmp_path, symbol), check).where == f"{path} line 8"


def test_places_do_not_keep_the_file_in_memory(tmp_path: Path) -> None:
    """A Locate keeps no block of the file in memory, in fast and in slow reading."""
    lines = [line for symbol in SYMBOLS for line in owned(rows(), symbol)]
    lines[7][5] = "abc"
    write_csv(tmp_path / "bad.csv", lines, ["symbol", *HEADER])
    write_csv(tmp_path / "good.csv", lines[:5], ["symbol", *HEADER])
    kept = [read(tmp_path, symbol) for symbol in SYMBOLS]
    gc.collect()
    assert all(kept)
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Block)]


def many_symbols() -> pa.Table:
    """The good bars of all symbols, interleaved."""
    lines = [[symbol, *line] for line in rows("Z") for symbol in SYMBOLS]
    columns = list(zip(*lines, strict=True))
    numbers = {name: np.array(cells, dtype=np.float64) for name, cells in zip(COLUMNS, columns[2:], strict=True)}
    return pa.table({"Ticker": columns[0], "date": columns[1], **numbers})


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("group_rows", [1, 4, 100])
def test_parquet_of_many_symbols(kind: pa.DataType, group_rows: int, tmp_path: Path) -> None:
    """Parquet with a symbol column of any text type and any row groups gives each symbol its own rows."""
    bars = many_symbols()
    pq.write_table(bars.set_column(0, "Ticker", bars["Ticker"].cast(kind)), tmp_path / "x.parquet", group_rows)
    assert ParquetFolder(SourceRequest(str(tmp_path), "1minute", ZONE)).symbols() == sorted(SYMBOLS)
    for offset, symbol in enumerate(SYMBOLS, start=1):
        found = read_parquet(tmp_path, symbol)
        assert table(found).equals(good_table())
        assert [found.locate(row) for row in (0, 4)] == [f"{tmp_path / 'x.parquet'} row {offset + n}" for n in (0, 12)]


def test_a_parquet_row_without_symbol_rejects_all(tmp_path: Path) -> None:
    """A row without a symbol in Parquet rejects each symbol, by file and row."""
    bars = many_symbols()
    names = [None if row == 7 else name for row, name in enumerate(bars["Ticker"].to_pylist())]
    pq.write_table(bars.set_column(0, "Ticker", pa.array(names)), tmp_path / "x.parquet")
    finding = only(read_parquet(tmp_path, "^GSPC"), Check.BAD_CELL)
    assert (finding.where, finding.detail) == (f"{tmp_path / 'x.parquet'} row 8", "symbol is empty")


def test_a_list_of_symbols_beside_the_bars_is_ignored(tmp_path: Path) -> None:
    """A file with a symbol column but no prices rejects no symbol, and is listed among the ignored names."""
    (tmp_path / "TCS.csv").write_text("timestamp,open,high,low,close,volume\n2024-01-01,1,2,1,2,5\n")
    (tmp_path / "events.csv").write_text("symbol,date,note\nTCS,2024-01-01,split\n")
    source = CsvFolder(SourceRequest(str(tmp_path), "1day", "UTC"))
    (other, name) = sorted(source.symbols(), key=is_symbol)
    assert name == "TCS" and other.startswith("events.csv (columns ")
    assert source.read("TCS").findings == []
    (tmp_path / "TCS.csv").unlink()
    with pytest.raises(RequestError, match=r"contains no bars: events\.csv \(columns .* missing"):
        listed(tmp_path, "1day")
