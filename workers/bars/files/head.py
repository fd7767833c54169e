"""Reads the first lines of a text file: its format, its columns, and the line on which its data begin."""

import csv
import io
import re
from collections.abc import Sequence
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
# Stamps from the beginning of a file that decide whether its dates are day or month first.
SAMPLED = 20_000

YFINANCE = FileFormat("yfinance", is_daily=False)


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
        if first.strip().lower().startswith((b"http://", b"https://")):  # CryptoDataDownload names itself there
            first = b""
        line += 1
    delimiter = options.delimiter or max(DELIMITERS, key=lambda sign: first.count(sign.encode()))
    names = cells_of(first, delimiter)
    following = _following(stream, delimiter)
    if is_data(names):
        head = _headless(file, names, options)
        written = _written(head.columns, [names, *following], options, delimiter)
        return replace(head, columns=written, line=line, taken=first + b"\n")
    if levels := _levels([names, *following[:2]]):
        for _ in range(levels):
            read_line(stream)
        groups = _groups([names, *following[: levels - 1]], following[levels - 1], options)
        groups = {each: _written(found, following[levels:], options, delimiter) for each, found in groups.items()}
        return Head(YFINANCE, next(iter(groups.values())), line + levels + 1, groups)
    form = format_of([plain_name(name) for name in names], file.name)
    return Head(form, _written(find_columns(names, form, options), following, options, delimiter), line + 1)


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


def _following(stream: BinaryIO, delimiter: str) -> list[list[str]]:
    """Cells of the lines after the first, as far as they are read ahead; the stream stays where it is."""
    if isinstance(stream, io.BufferedReader):
        ahead = stream.peek(BUFFER_BYTES)
    else:
        place = stream.tell()
        ahead = stream.read(BUFFER_BYTES)
        stream.seek(place)
    lines = ahead.decode(errors="replace").splitlines()
    lines = lines[: len(lines) - (len(lines) > 1 and not ahead.endswith(b"\n"))][:SAMPLED]
    try:
        return list(csv.reader((line for line in lines if line.strip()), delimiter=delimiter))
    except csv.Error:
        return []


def _written(columns: Columns, rows: Sequence[Sequence[str]], options: FileOptions, delimiter: str) -> Columns:
    """The columns with what the rows show of how cells are written."""
    whole = [row for row in rows if len(row) == columns.width]
    prices = [row[place] for row in whole[:10] for place in columns.values.values() if place is not None]
    decimal = "," if delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", price.strip()) for price in prices) else "."
    stamps = list(dict.fromkeys(row[columns.time].strip() for row in whole))
    form = options.date_format or date_format(stamps)
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
        if begins and not any(cell.strip() for cell in cells[1:]) and len(cells) == len(lines[0]) > 1:
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
        names = [name if owner.strip() == ticker else "" for name, owner in zip(fields, tickers, strict=True)]
        names[0] = last[0]
        groups[ticker] = replace(find_columns(names, YFINANCE, options), sparse=len(set(tickers[1:])) > 1)
    return groups
