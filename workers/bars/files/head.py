"""Reads the first lines of a text file: its format, its columns, and the line on which its data begin."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from schemas.config.file_options import FileOptions
from schemas.contract.errors import DataError
from workers.bars.files.bar_file import BUFFER_BYTES, BarFile
from workers.bars.files.columns import Columns, find_columns
from workers.bars.files.date_formats import date_format
from workers.bars.files.formats import PLAIN, FileFormat, format_of, format_of_data, is_data, plain_name
from workers.bars.series import COLUMNS

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DELIMITERS = (",", "\t", ";", "|")
# A longer line is no line of bars.
LINE_BYTES = 4 << 20
# Lines that show how cells are written, and lines that decide whether dates begin with the day or the month.
FEW, SAMPLED = 12, 20_000

# Takes a number of lines and returns the cells of each.
Ahead = Callable[[int], list[list[str]]]

YFINANCE = FileFormat("yfinance")


@dataclass(frozen=True)
class Head:
    """A file's format and columns; `line` is the number of its first line of data.

    `groups`: the columns of each symbol, in a file that has a group of columns per symbol. `taken`: a line of data that
    was read to find them.
    """

    form: FileFormat
    columns: Columns
    line: int
    groups: dict[str, Columns] = field(default_factory=dict)
    taken: bytes = b""


def read_head(file: BarFile, options: FileOptions) -> Head:
    """The head of a file; OSError if it cannot be read, DataError if it is empty or has no bars."""
    with file.open() as stream:
        return take_head(stream, file, options)


def take_head(stream: BinaryIO, file: BarFile, options: FileOptions) -> Head:
    """The head of an open file, which is read up to its first line of data, or beyond it if it has no header."""
    line, raw, first = 0, b"", b""
    while not first:
        raw = read_line(stream)
        if not raw:
            raise DataError(f"is empty; expected a header timestamp,{','.join(COLUMNS)}")
        first = raw.removeprefix(BYTE_ORDER_MARK).rstrip(b"\r\n")
        # CryptoDataDownload names itself there, and Excel the separator.
        if first.strip().lower().startswith((b"http://", b"https://", b"sep=")):
            first = b""
        line += 1
    delimiter = options.delimiter or max(DELIMITERS, key=lambda sign: first.count(sign.encode()))
    names = cells_of(first, delimiter)
    ahead = _ahead(stream, delimiter)
    following = ahead(FEW)
    if is_data(names):
        head = _headless(file, names, options)
        written = _written(head.columns, lambda limit: [names, *ahead(limit)], options, delimiter)
        return replace(head, columns=written, line=line, taken=first + b"\n")
    if levels := _levels([names, *following[:2]]):
        for _ in range(levels):
            read_line(stream)
        groups = _groups([names, *following[: levels - 1]], following[levels - 1], options)
        groups = {each: _written(found, ahead, options, delimiter) for each, found in groups.items()}
        return Head(YFINANCE, next(iter(groups.values())), line + levels + 1, groups)
    form = format_of([plain_name(name) for name in names], file.name)
    return Head(form, _written(find_columns(names, form, options), ahead, options, delimiter), line + 1)


def read_line(stream: BinaryIO) -> bytes:
    """The next line with its line feed; DataError if it is too long to be one of bars."""
    line = stream.readline(LINE_BYTES)
    if len(line) == LINE_BYTES and not line.endswith(b"\n"):
        raise DataError(f"has a line of more than {LINE_BYTES >> 20} MB; it is no text file of bars")
    return line


def cells_of(line: bytes, delimiter: str) -> list[str]:
    """The cells of a line; DataError if it is not UTF-8 text."""
    try:
        return next(csv.reader([line.decode()], delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read as UTF-8 text: {error}; save it as CSV in UTF-8") from None


def _ahead(stream: BinaryIO, delimiter: str) -> Ahead:
    """Gives the cells of up to so many lines after those that were read, as far as the stream is read ahead."""
    if isinstance(stream, io.BufferedReader):
        text = stream.peek(BUFFER_BYTES)
    else:
        place = stream.tell()
        text = stream.read(BUFFER_BYTES)
        stream.seek(place)

    def rows(limit: int) -> list[list[str]]:
        lines = text.split(b"\n", limit)[:limit]
        try:
            return list(csv.reader((line.decode(errors="replace") for line in lines), delimiter=delimiter))
        except csv.Error:
            return []

    return rows


def _written(columns: Columns, ahead: Ahead, options: FileOptions, delimiter: str) -> Columns:
    """The columns with what the rows show of how cells are written."""

    def whole(limit: int) -> list[list[str]]:
        return [row for row in ahead(limit) if len(row) == columns.width]

    prices = [row[place] for row in whole(FEW) for place in columns.values.values() if place is not None]
    decimal = "," if delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", price.strip()) for price in prices) else "."
    form = options.date_format or date_format(
        [row[columns.time].strip() for row in whole(FEW)], lambda: [row[columns.time].strip() for row in whole(SAMPLED)]
    )
    return replace(columns, delimiter=delimiter, decimal=decimal, date_format=form)


def _headless(file: BarFile, cells: list[str], options: FileOptions) -> Head:
    form = format_of_data(cells)
    if form is None and options.columns:
        return Head(PLAIN, find_columns(["" for _ in cells], PLAIN, options), 1)
    if form is None:
        step = "give it a header, or the numbers of its columns: --columns timestamp=1,open=2,high=3,low=4,…"
        raise DataError(f"the first line is data, not a header; {step}")
    return Head(form, find_columns([*form.cells], form, options), 1)


def _levels(lines: Sequence[Sequence[str]]) -> int:
    """How many lines of names stand before a line `Date,,,`, which pandas writes for columns with several levels."""
    for number, cells in enumerate(lines[1:], start=1):
        begins = bool(cells) and cells[0].strip().lower() in ("date", "datetime", "timestamp")
        alike = len({len(line) for line in lines[: number + 1]}) == 1 < len(cells)
        if begins and alike and not any(cell.strip() for cell in cells[1:]):
            return number
    return 0


def _groups(levels: Sequence[Sequence[str]], last: Sequence[str], options: FileOptions) -> dict[str, Columns]:
    """The columns of each ticker; "" stands for the only one of a file that names none."""
    fields = next((level for level in levels if "close" in [cell.strip().lower() for cell in level]), None)
    if fields is None:
        raise DataError("has a header of several lines, none of which names close")
    tickers = next((level for level in levels if level is not fields), ["" for _ in fields])
    groups = {}
    for ticker in dict.fromkeys(cell.strip() for cell in tickers[1:]):
        # A file that was read and written again has Close.1 for the second Close.
        own = [re.sub(r"\.\d+$", "", name) for name in fields]
        names = [name if owner.strip() == ticker else "" for name, owner in zip(own, tickers, strict=True)]
        names[0] = last[0]
        groups[ticker] = replace(find_columns(names, YFINANCE, options), sparse=len(set(tickers[1:])) > 1)
    return groups
