"""Packed files, data sets of many files, options for files that show too little, and files of many symbols."""

import errno
import fcntl
import gzip
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.contract.errors import RequestError
from schemas.contract.identifiers import usable_symbol
from schemas.contract.quality import Check
from tests.workers.bars.files import only
from tests.workers.bars.test_formats import BARS, DAYS, SAMPLES, bars_of, check_bars, source
from workers.bars.files import split
from workers.bars.files.csv import CsvFolder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.series import COLUMNS
from workers.bars.sources.registry import known_symbols
from workers.bars.sources.source_protocol import SourceRequest

PLAIN = SAMPLES["Stooq"].text()


def frame(*symbols: str) -> pa.Table:
    """The three bars of each symbol, with timestamps in UTC."""
    count = len(symbols) or 1
    columns = {
        "timestamp": pa.array([np.datetime64(day, "us").item() for day in DAYS] * count, pa.timestamp("us", tz="UTC"))
    }
    values = dict(zip(COLUMNS, (list(column) * count for column in zip(*BARS, strict=True)), strict=True))
    names = {"symbol": [symbol for symbol in symbols for _ in DAYS]} if symbols else {}
    return pa.table(columns | values | names)


# ---- packed files and encodings


def test_packed_files_are_read_as_plain_ones(tmp_path: Path) -> None:
    """gzip, and each text member of a zip archive, under their own names."""
    (tmp_path / "A.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    with zipfile.ZipFile(tmp_path / "many.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("B.csv", PLAIN)
        archive.writestr("deeper/C.txt", PLAIN)
        archive.writestr("__MACOSX/._B.csv", b"\x00\x05")
        archive.writestr("logo.png", b"\x89PNG")
    check_bars(source(tmp_path), "A", "B", "C")
    assert bars_of(source(tmp_path), "B").locate(0) == f"{tmp_path / 'many.zip'}/B.csv line 2"


@pytest.mark.parametrize("cut", [0, 20, -30])
def test_damaged_packed_files_are_named(cut: int, tmp_path: Path) -> None:
    """What cannot be unpacked is one line, not a traceback; other files are read."""
    packed = gzip.compress(PLAIN.encode() * 50)
    (tmp_path / "A.csv.gz").write_bytes(b"x" * 50 if not cut else packed[:cut])
    (tmp_path / "B.zip").write_bytes(b"PK\x03\x04" + b"x" * 50)
    (tmp_path / "C.csv").write_text(PLAIN)
    names = source(tmp_path).symbols()
    assert "C" in names and any(name.startswith("A.csv.gz (") or name == "A" for name in names)
    if "A" in names:
        assert "unpacked" in str(bars_of(source(tmp_path), "A").findings)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_byte_order_marks_are_passed_over(encoding: str, tmp_path: Path) -> None:
    """UTF-8 and UTF-16 files with a mark are read."""
    text = PLAIN if encoding in ("utf-8-sig", "utf-16") else "\ufeff" + PLAIN
    (tmp_path / "ABC.csv").write_bytes(text.encode(encoding))
    check_bars(source(tmp_path), "ABC")


def test_lines_may_end_in_carriage_returns(tmp_path: Path) -> None:
    """Files of old programs have no line feeds."""
    (tmp_path / "ABC.csv").write_bytes(PLAIN.replace("\n", "\r").encode())
    check_bars(source(tmp_path), "ABC")


def test_a_first_line_that_is_data_is_named(tmp_path: Path) -> None:
    """A file without a header that no format fits is rejected with what to do; column numbers read it."""
    (tmp_path / "ABC.csv").write_text(PLAIN.partition("\n")[2])
    assert "the first line is data" in only(bars_of(source(tmp_path), "ABC"), Check.UNREADABLE).detail
    check_bars(source(tmp_path, columns="timestamp=1,open=2,high=3,low=4,close=5,volume=6"), "ABC")


# ---- options


def test_a_days_place_in_a_date_must_be_shown_or_given(tmp_path: Path) -> None:
    """`03/01/2023` alone is refused with both forms; with --date-format it is read."""
    text = PLAIN
    for day in DAYS:
        text = text.replace(day, f"{day[8:]}/{day[5:7]}/{day[:4]}")
    (tmp_path / "ABC.csv").write_text(text)
    check_bars(source(tmp_path), "ABC")
    (tmp_path / "ABC.csv").write_text("\n".join(text.splitlines()[:3]))
    assert "--date-format %d/%m/%Y or %m/%d/%Y" in only(bars_of(source(tmp_path), "ABC"), Check.UNREADABLE).detail
    assert len(bars_of(source(tmp_path, date_format="%d/%m/%Y"), "ABC").series) == 2


def test_columns_rows_and_symbols_as_the_user_names_them(tmp_path: Path) -> None:
    """Options name any header, choose rows, and take symbols from folders, files and columns at any depth."""
    head = "Datum;Erster;Hoch;Tief;Adj Close;Börse;x"
    lines = [f"{day};{o};{h};{low};{c};{place};1" for day, (o, h, low, c, _) in zip(DAYS, BARS, strict=True)
             for place in ("XETRA", "FFM")]  # fmt: skip
    path = tmp_path / "deep" / "SAP" / "prices.csv"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join([head, *lines]))
    columns = "timestamp=Datum,open=Erster,high=Hoch,low=Tief,close=Adj Close,volume=0"
    opened = source(tmp_path, columns=columns, where="Börse=XETRA", symbol_from="folder", delimiter=";")
    assert opened.symbols() == ["SAP"]
    assert bars_of(opened, "SAP").series.close.tolist() == [bar[3] for bar in BARS]
    assert bars_of(opened, "SAP").series.volume.tolist() == [0, 0, 0]
    assert source(tmp_path, columns=columns, symbol_from="file").symbols() == ["prices"]
    with pytest.raises(RequestError, match="--symbol-from file or folder"):
        source(tmp_path, columns=columns).symbols()
    with pytest.raises(RequestError, match="column Platz is missing, which --where names"):
        (tmp_path / "a.txt").write_text(PLAIN)
        source(tmp_path, where="Platz=XETRA").symbols()


# ---- names


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTC/USD", "BTC-USD"),
        ("NIFTY 50", "NIFTY-50"),
        ("M&M", "M&M"),
        ("$SPX", "SPX"),
        ("A.", "A"),
        ("日本", ""),
        ("-", ""),
    ],
)
def test_the_symbol_that_stands_for_a_name(name: str, symbol: str) -> None:
    """Each run of other characters is one `-`, removed at the ends."""
    assert usable_symbol(name) == symbol


def test_rows_that_are_all_passed_over_are_one_line(tmp_path: Path) -> None:
    """A bhavcopy of futures has no series EQ; the message names what was wanted, and the flag."""
    text = SAMPLES["NSE bhavcopy"].text().replace(",EQ,", ",FUT,").replace(",BE,", ",FUT,")
    (tmp_path / "fo.csv").write_text(text)
    with pytest.raises(RequestError, match=r"no row that is read: .*SERIES=EQ.*--where NAME=VALUE"):
        source(tmp_path).symbols()


def test_names_that_become_one_symbol_are_rejected(tmp_path: Path) -> None:
    """In files and in columns; the report lists the names that are read otherwise."""
    for name in ("A B.csv", "A-B.csv"):
        (tmp_path / name).write_text(PLAIN)
    opened = source(tmp_path)
    assert opened.understood() == ["names read otherwise: A B as A-B"]
    assert "'A B' and 'A-B' are both read as A-B" in only(bars_of(opened, "A-B"), Check.UNREADABLE).detail


def test_a_source_without_one_usable_name_is_one_line() -> None:
    """The rule for symbols is in it."""
    with pytest.raises(RequestError, match="no name in csv:x can be a symbol, the first is '日本'"):
        known_symbols(["日本"], "csv:x", "1day", ())


# ---- files of many symbols


def test_shared_files_are_read_once_per_ingestion(tmp_path: Path) -> None:
    """The first process that needs them splits them; the others read what it stored, also after the files are gone."""
    days, scratch = tmp_path / "days", tmp_path / "scratch"
    days.mkdir()
    head, *_ = SAMPLES["NSE bhavcopy"].head.splitlines()
    for name, day, (o, h, low, c, v) in zip("cab", DAYS, BARS, strict=True):
        stamp = np.datetime64(day, "us").item().strftime("%d-%b-%Y")
        rows = [f"{symbol},EQ,{o},{h},{low},{c},1,1,{v},1,{stamp},1,I," for symbol in ("XYZ", "M&M", "ABC")]
        (days / f"{name}.csv").write_text("\n".join([head, *rows, f"BAD,EQ,x,1,1,1,1,1,1,1,{stamp},1,I,", ""]))
    request = SourceRequest(str(days), "1day", "UTC", scratch=scratch)
    assert CsvFolder(request).symbols() == ["ABC", "BAD", "M&M", "XYZ"]
    for path in days.iterdir():
        path.unlink()
    for symbol in ("ABC", "M&M", "XYZ"):
        bars = bars_of(CsvFolder(request), symbol)
        assert bars.findings == [] and bars.series.close.tolist() == [bar[3] for bar in BARS]
    assert only(bars_of(CsvFolder(request), "BAD"), Check.BAD_CELL).count == 3


def test_shared_files_are_split_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has none, a process that another overtakes while it splits uses the result of that one."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    plain, seconds = split.split, list[Any]()

    def overtaken(*arguments: Any) -> None:
        if not seconds:
            seconds.append(0)
            seconds[0] = CsvFolder(request).symbols()
        plain(*arguments)

    monkeypatch.setattr(split, "split", overtaken)
    rows = [f"{day},{symbol},{o},{h},{low},{c},{v}" for day, (o, h, low, c, v) in zip(DAYS, BARS, strict=True)
            for symbol in ("ABC", "XYZ")]  # fmt: skip
    (tmp_path / "all.csv").write_text("\n".join(["timestamp,symbol,open,high,low,close,volume", *rows, ""]))
    request = SourceRequest(str(tmp_path), "1day", "UTC", scratch=tmp_path / "scratch")
    assert [CsvFolder(request).symbols(), *seconds] == [["ABC", "XYZ"]] * 2
    assert bars_of(CsvFolder(request), "XYZ").series.close.tolist() == [bar[3] for bar in BARS]
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == ["listing.json", "lock", "rows"]


def test_a_file_of_several_tickers_in_columns(tmp_path: Path) -> None:
    """yfinance writes one group of columns per ticker; a day without values for one is no bar of it."""
    fields = ("Close", "High", "Low", "Open", "Volume")
    lines = [
        ["Price", *(field for field in fields for _ in range(2))],
        ["Ticker", *["AAPL", "^NSEI"] * 5],
        ["Date", *[""] * 10],
    ]
    for day, (o, h, low, c, v) in zip(DAYS, BARS, strict=True):
        lines.append([day, *(str(cell) for value in (c, h, low, o, v) for cell in (value, value))])
    lines.append(["2023-01-17", *["1", ""] * 5])
    (tmp_path / "download.csv").write_text("\n".join(",".join(line) for line in lines))
    opened = source(tmp_path)
    assert opened.symbols() == ["AAPL", "^NSEI"]
    assert [len(bars_of(opened, symbol).series) for symbol in opened.symbols()] == [4, 3]


# ---- data sets of Parquet files


@pytest.mark.parametrize(
    "style", ["hive", "hive and date", "spark folder", "dask", "flat parts", "int96", "epochs", "no name"]
)
def test_parquet_as_programs_write_it(style: str, tmp_path: Path) -> None:
    """Partitions of Hive, parts of a data set, Spark's old timestamps, epochs, and an index without a name."""
    table, one = frame("ABC", "M&M"), frame()
    if style.startswith("hive"):
        keys = ["symbol"] if style == "hive" else ["symbol", "year"]
        table = table.append_column("year", pa.array([2023] * 6))
        kinds = pa.schema([table.schema.field(name) for name in keys])
        ds.write_dataset(table, tmp_path, format="parquet", partitioning=ds.partitioning(kinds, flavor="hive"))
        check_bars(source(tmp_path, ParquetFolder), "ABC", "M&M")
        return
    if style in ("spark folder", "flat parts"):
        root = tmp_path / "ABC.parquet" if style == "spark folder" else tmp_path / "ABC"
        root.mkdir()
        (root / "_SUCCESS").touch()
        for number in range(2):
            piece = one.slice(2 * number, 2 - number)
            pq.write_table(piece, root / f"part-0000{number}-c0ffee.snappy.parquet")
        check_bars(source(tmp_path if style == "spark folder" else root, ParquetFolder), "ABC")
        return
    if style == "dask":
        (tmp_path / "all.parquet").mkdir()
        for number in range(2):
            pq.write_table(table.slice(3 * number, 3), tmp_path / "all.parquet" / f"part.{number}.parquet")
        check_bars(source(tmp_path, ParquetFolder), "ABC", "M&M")
        return
    if style == "epochs":
        one = one.set_column(0, "timestamp", one["timestamp"].cast(pa.int64()).cast(pa.int64()))
    if style == "no name":
        one = one.rename_columns(["__index_level_0__", *COLUMNS])
    pq.write_table(one, tmp_path / "ABC.parquet", use_deprecated_int96_timestamps=style == "int96")
    check_bars(source(tmp_path, ParquetFolder), "ABC")


# ---- minutes, and what is not there


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("ABC_M15_202301030915_202301031000.csv", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t"
         "<SPREAD>\n", "2023.01.03\t{t}:00\t1\t2\t1\t2\t5\t0\t1\n"),
        ("ABC15.csv", "", "2023.01.03,{t},1,2,1,2,5\n"),
        ("ABC.txt", "", "01/13/2023,{t},1,2,1,2,5\n"),
        ("x.txt", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n",
         "ABC,15,20230103,{n}00,1,2,1,2,5\n"),
        ("x.txt", "<TICKER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n", "ABC,20230103,{n}00,1,2,1,2,5\n"),
        ("x.csv", "Ticker,Date/Time,Open,High,Low,Close,Volume\n", "ABC,13-01-2023 {t}:00,1,2,1,2,5\n"),
    ],
)  # fmt: skip
def test_the_time_of_day_of_minutes_is_read(name: str, head: str, line: str, tmp_path: Path) -> None:
    """Each format that has a date and a time of day gives four bars for four quarters of an hour."""
    times = ("09:15", "09:30", "09:45", "10:00")
    (tmp_path / name).write_text(head + "".join(line.format(t=time, n=time.replace(":", "")) for time in times))
    bars = bars_of(source(tmp_path), "ABC")
    assert bars.findings == []
    assert [str(stamp)[11:16] for stamp in bars.series.timestamp.astype("datetime64[us]")] == list(times)


def test_a_volume_that_is_not_shown_is_none(tmp_path: Path) -> None:
    """Investing.com shows `-` or nothing for days and rates without a volume; TradingView leaves out the column."""
    for name, volume in (("ABC", "-"), ("XY", "")):
        lines = [f'"01/{day}/2023","2","1","2","1","{volume}","0.1%"' for day in (13, 12)]
        head = '"Date","Price","Open","High","Low","Vol.","Change %"'
        (tmp_path / f"{name} Historical Data.csv").write_text("\n".join([head, *lines, ""]))
    (tmp_path / "FX_EURUSD, 1D.csv").write_text("time,open,high,low,close\n2023-01-12,1,2,1,2\n2023-01-13,1,2,1,2\n")
    opened = source(tmp_path)
    assert opened.symbols() == ["ABC", "EURUSD", "XY"]
    for symbol in opened.symbols():
        assert bars_of(opened, symbol).findings == []
        assert bars_of(opened, symbol).series.volume.tolist() == [0, 0]
    assert "1 file read as TradingView (no volume)" in opened.understood()


def test_a_missing_volume_is_refused_with_the_option_that_says_so(tmp_path: Path) -> None:
    """Where no format is known to lack a volume, the finding names --columns volume=0."""
    (tmp_path / "ABC.csv").write_text("Date,Open,High,Low,Close\n2023-01-12,1,2,1,2\n")
    assert "--columns volume=0" in only(bars_of(source(tmp_path), "ABC"), Check.UNREADABLE).detail


def test_partitions_may_be_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """`DIR/bars/symbol=ABC/part-0.parquet` is found from DIR as from DIR/bars."""
    home = tmp_path / "bars" / "symbol=ABC"
    home.mkdir(parents=True)
    table = {"timestamp": list(DAYS)} | {name: [bar[i] for bar in BARS] for i, name in enumerate(COLUMNS)}
    pq.write_table(pa.table(table), home / "part-0.parquet")
    check_bars(source(tmp_path, ParquetFolder), "ABC")
