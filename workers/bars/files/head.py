"""Reads the first lines of a text file: its format, its columns, and the line on which its data begin."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

import pyarrow as pa

from schemas.config.file_options import FileOptions
from schemas.contract.errors import DataError
from workers.bars.files.bar_file import BUFFER_BYTES, BarFile
from workers.bars.files.columns import Columns, bare_number, find_columns, group_columns, has_gaps
from workers.bars.files.date_formats import date_format
from workers.bars.files.formats import PLAIN, YFINANCE, FileFormat, format_of, format_of_data, is_data, plain_name
from workers.bars.files.groups import groups_of_lines, groups_of_names, header_lines
from workers.bars.files.local_time import Zone
from workers.bars.files.timestamps import instants
from workers.bars.series import COLUMNS

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DELIMITERS = (",", "\t", ";", "|")
# A longer line is no line of bars.
LINE_BYTES = 4 << 20
# Lines that show how cells are written, and lines that decide whether dates begin with the day or the month.
FEW, SAMPLED = 12, 20_000

# Lines before the header that are looked through for it, and lines after the last bar that may be none.
PREAMBLE, FOOTER = 30, 3

# A decimal comma, perhaps after thousands: 1234,5 or 1.234,5; and one that cannot separate thousands.
_COMMA = re.compile(r"-?(\d+|\d{1,3}(\.\d{3})+),\d+")
_CLEAR_COMMA = re.compile(r"-?(\d{1,3}(\.\d{3})+,\d+|\d+,(\d{1,2}|\d{4,}))")
# A volume in thousands or millions.
_SCALED = re.compile(r"[\d.,]+[KMBkmb]")

# How files begin that are no text, and what to do with them.
OTHER_CONTENT = {
    b"\x1f\x8b": "is packed once more by gzip; unpack it once",
    b"PK\x03\x04": "is a zip archive or an Excel workbook; name an archive .zip, and save a workbook as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save it as CSV",
    b"PAR1": "is a Parquet file; give --source parquet:DIR",
    b"ARROW1": "is a Feather file; write it as Parquet, and give --source parquet:DIR",
    b"%PDF": "is a PDF; download the bars as CSV",
    b"<!doctype": "is a web page; download the file again, perhaps after signing in",
    b"<html": "is a web page; download the file again, perhaps after signing in",
    b"<?xml": "is XML; save it as CSV",
    b'{"': "is JSON; write it as CSV",
    b"[{": "is JSON; write it as CSV",
    b"[[": "is JSON; write it as CSV",
}
# What pandas writes for a list of candles: its columns have numbers.
CANDLES = ("timestamp", *COLUMNS, "interest")

# Takes a number of lines and returns the cells of each.
Ahead = Callable[[int], list[list[str]]]


@dataclass(frozen=True)
class Head:
    """A file's format and columns; `line` is the number of its first line of data.

    `symbols`: those of a file that has a group of columns per symbol. `taken`: a line of data that was read to find
    the columns. `newest_first`: the first lines are in that order. `skipped`: lines before the header.
    `others`: columns that have another vendor's name, such as `close from Last`.
    """

    form: FileFormat
    columns: Columns
    line: int
    symbols: tuple[str, ...] = ()
    taken: bytes = b""
    newest_first: bool = False
    skipped: int = 0
    others: tuple[str, ...] = ()


def read_head(file: BarFile, options: FileOptions) -> Head:
    """The head of a file; OSError if it cannot be read, DataError if it is empty or has no bars."""
    with file.open(options.encoding) as stream:
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
        if line == 1 and (
            other := next((kind for kind in OTHER_CONTENT if first.lower().startswith(kind.lower())), b"")
        ):
            raise DataError(OTHER_CONTENT[other])
    skipped = 0 if options.columns else _lines_before_header(first, stream, file, options)
    for _ in range(skipped):
        first = read_line(stream).rstrip(b"\r\n")
    line += skipped
    delimiter = _delimiter(first, options)
    names = cells_of(first, delimiter)
    unnamed = [name for name in names[:1] if not name]
    if names[len(unnamed) :] == [str(number) for number in range(len(names) - len(unnamed))]:
        names = [*unnamed, *CANDLES][: len(names)]
    ahead = _ahead(stream, delimiter)
    following = ahead(FEW)
    if is_data(names) or format_of_data(names, file.name):
        head = replace(_headless(file, names, options), line=line, taken=first + b"\n")
        return _written(head, lambda limit: [names, *ahead(limit)], options, delimiter)
    lines = header_lines([names, *following[:2]])
    for _ in range(lines - 1):
        read_line(stream)
    groups = groups_of_lines([names, *following[: lines - 1]]) if lines > 1 else groups_of_names(names)
    if groups:
        columns = group_columns(groups, YFINANCE, options)
        head = Head(YFINANCE, columns, line + lines, tuple(filter(None, groups)))
    else:
        form = format_of([plain_name(name) for name in names], file.name)
        head = Head(form, find_columns(names, form, options), line + 1, skipped=skipped)
        head = replace(head, others=_others(names, head, options))
    return _written(head, ahead, options, delimiter)


def _others(names: list[str], head: Head, options: FileOptions) -> tuple[str, ...]:
    known = options.columns.keys() | head.form.columns.keys()
    placed = [(name, names[place].strip()) for name, place in head.columns.values.items() if place is not None]
    return tuple(f"{name} from {own}" for name, own in placed if name not in known and plain_name(own) != name)


def _delimiter(line: bytes, options: FileOptions) -> str:
    return options.delimiter or max(DELIMITERS, key=lambda sign: line.count(sign.encode()))


def _lines_before_header(first: bytes, stream: BinaryIO, file: BarFile, options: FileOptions) -> int:
    """How many lines are before the one that names all columns: 0 if the first does, or none of the next ones."""
    lines = [first, *_text_ahead(stream).split(b"\n", PREAMBLE)[:PREAMBLE]]
    for place, line in enumerate(lines):
        try:
            names = cells_of(line.rstrip(b"\r"), _delimiter(line, options))
            if place == 0 and is_data(names):
                return 0
            find_columns(names, format_of([plain_name(name) for name in names], file.name), options)
        except DataError:
            continue
        return place
    return 0


def is_footer(row: list[str], columns: Columns) -> bool:
    """Whether a row at the end of a file is no bar: it has no price, and no timestamp where that would be."""
    prices = [row[place] for place in columns.prices if place < len(row)]
    stamp = pa.array([row[columns.time].strip() if columns.time < len(row) else ""], pa.string())
    return not any(price.strip() for price in prices) and bool(
        instants(stamp, None, columns.date_format, Zone("UTC"))[1]
    )


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
        raise DataError(
            f"cannot be read as UTF-8 text: {error}; give its --encoding, such as cp1252, gb18030 or shift_jis"
        ) from None


def _ahead(stream: BinaryIO, delimiter: str) -> Ahead:
    """Gives the cells of up to so many lines after those that were read, as far as the stream is read ahead."""
    text = _text_ahead(stream)

    def rows(limit: int) -> list[list[str]]:
        lines = text.split(b"\n", limit)[:limit]
        try:
            return list(csv.reader((line.decode(errors="replace") for line in lines), delimiter=delimiter))
        except csv.Error:
            return []

    return rows


def _text_ahead(stream: BinaryIO) -> bytes:
    """What follows in a stream, as far as it is read ahead."""
    if isinstance(stream, io.BufferedReader):
        return stream.peek(BUFFER_BYTES)
    place = stream.tell()
    text = stream.read(BUFFER_BYTES)
    stream.seek(place)
    return text


def _written(head: Head, ahead: Ahead, options: FileOptions, delimiter: str) -> Head:
    """The head with what the rows show of how cells are written."""
    columns = head.columns

    def whole(limit: int) -> list[list[str]]:
        rows = ahead(limit)
        return [row[: columns.width] for row in rows if len(row) >= columns.width and not any(row[columns.width :])]

    few = whole(FEW)
    prices = [row[place].strip() for row in few for place in columns.prices]
    # One cell of another form than the others is a fault.
    signed = bool(prices) and (all(bare_number(each) != each for each in prices) or any(map(has_gaps, prices)))
    bare = [bare_number(each) for each in prices] if signed else prices
    numbers = bare + [row[place].strip() for row in few for place in columns.values.values() if place is not None]
    if delimiter == ",":
        has_comma = any(map(_CLEAR_COMMA.fullmatch, bare))
        has_comma = has_comma and all(_CLEAR_COMMA.fullmatch(each) or each.isdecimal() for each in bare)
    else:
        has_comma = any(map(_COMMA.fullmatch, numbers))
    decimal = "," if has_comma else "."
    form = (
        options.date_format
        or head.form.date_format
        or date_format(
            [row[columns.time].strip() for row in few], lambda: [row[columns.time].strip() for row in whole(SAMPLED)]
        )
    )
    volume = columns.values["volume"]
    rough = columns.rough or (decimal == "." and any(_has_thousands(row, columns) for row in few))
    rough = rough or (volume is not None and any(_SCALED.fullmatch(row[volume].strip()) for row in few))
    if not rough and decimal == "." and any("," in each for each in numbers):
        cells = [row[place] for row in whole(SAMPLED) for place in columns.prices]
        rough = any("." in cell for cell in cells)  # then a comma separates thousands: `1,234`
    columns = replace(columns, delimiter=delimiter, decimal=decimal, date_format=form, rough=rough, signed=signed)
    return replace(head, columns=columns, newest_first=_newest_first(few, columns))


def _has_thousands(row: list[str], columns: Columns) -> bool:
    """Whether a number of the row has thousands with commas: `1,234.5`, or `1,234` as a volume, which is whole."""
    shape = {name: r"\d{1,3}(,\d{2,3})*,\d{3}" + ("" if name == "volume" else r"\.\d+") for name in COLUMNS}
    return any(
        place is not None and re.fullmatch(shape[name], row[place].strip()) for name, place in columns.values.items()
    )


def _newest_first(rows: list[list[str]], columns: Columns) -> bool:
    stamps = pa.array([row[columns.time].strip() for row in rows], pa.string())
    clocks = None if columns.clock is None else pa.array([row[columns.clock].strip() for row in rows], pa.string())
    moments, problems = instants(stamps, clocks, columns.date_format, Zone("UTC"))
    return len(moments) > 1 and not problems and bool((moments[1:] < moments[:-1]).all())


def _headless(file: BarFile, cells: list[str], options: FileOptions) -> Head:
    form = format_of_data(cells, file.name)
    if form is None and options.columns:
        return Head(PLAIN, find_columns(["" for _ in cells], PLAIN, options), 1)
    if form is None:
        step = "give it a header, or the numbers of its columns: --columns timestamp=1,open=2,high=3,low=4,…"
        raise DataError(f"the first line is data, not a header; {step}")
    return Head(form, find_columns([*form.cells], form, options), 1)
