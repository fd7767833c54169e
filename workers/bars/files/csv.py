"""Bars from text files: pyarrow parses them in blocks; only a block that it rejects is read again cell by cell."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from schemas.contract.errors import DataError
from schemas.contract.quality import Check
from workers.bars.files.bar_file import BarFile, text_files
from workers.bars.files.blocks import Block, file_blocks, joined
from workers.bars.files.cells import Report, first_stamp, read_cells
from workers.bars.files.columns import NO_VALUES, Columns
from workers.bars.files.folder import Folder
from workers.bars.files.head import read_head
from workers.bars.files.listing import About, reading_of
from workers.bars.files.local_time import Zone
from workers.bars.files.rows import Rows, Small
from workers.bars.files.timestamps import NAIVE, UTC, instants, is_iso, kind_of
from workers.bars.series import Floats, Ints

TIME, SYMBOL, CLOCK = "timestamp", "symbol", "clock"
ARROW_BYTES = 4 << 20
# A block of at most this size is read cell by cell and not halved again.
CELLS_BYTES = 64 << 10
WORDS = pa.dictionary(pa.int32(), pa.binary())


class CsvFolder(Folder):
    """Bars of a folder of text files (CSV, tabs, semicolons; also packed), or of one file."""

    suffix = ".csv"

    def _files_of(self, path: Path) -> list[BarFile]:
        return text_files(path)

    def _about(self, file: BarFile) -> About:
        head = read_head(file, self.options)
        notes = [f"{head.skipped} line{'s' * (head.skipped != 1)} before the header"] if head.skipped else []
        notes += ["newest first"] if head.newest_first else []
        reading = reading_of(head.form, head.columns, self.options, [*notes, *head.others])
        return About(head.form, head.columns.symbol is not None, head.symbols, reading)

    def _read_files(self, files: list[BarFile], report: Report) -> Iterator[Rows]:
        for group in joined(self._blocks(files, report)):
            yield from self._read_group(group, report)

    def _read_group(self, group: list[Block], report: Report) -> Iterator[Rows]:
        pieces = _parse(group, self.zone)
        if pieces is not None:
            yield from pieces
            return
        parts = _parts(group)
        for columns in [] if parts else group[0].columns.apart():
            yield read_cells(replace(group[0], columns=columns), self.zone, report)
        for part in parts:
            yield from self._read_group(part, report)

    def _blocks(self, files: list[BarFile], report: Report) -> Iterator[Block]:
        """Blocks of files; a file that lacks a column or cannot be opened is a fault of every symbol in it."""
        for file in files:
            try:
                for block in file_blocks(file, self.options):
                    if block.body:
                        yield block
            except OSError as error:
                report("", Check.UNREADABLE, str(file), f"cannot be read: {error.strerror or error}")
            except DataError as error:
                report("", Check.UNREADABLE, f"{file} line 1", str(error))


def _parts(group: list[Block]) -> list[list[Block]]:
    """The two halves of a group that pyarrow rejected, to find the few bad lines; empty if the group is small."""
    if len(group) > 1:
        half = len(group) // 2
        return [group[:half], group[half:]]
    return [[half] for half in group[0].halves()] if len(group[0].body) > CELLS_BYTES else []


def _parse(group: list[Block], zone: Zone) -> list[Rows] | None:
    """Rows as pyarrow reads them, of each group of columns apart.

    None if it rejects a cell, if one is empty, or if rows and lines differ in number.
    """
    columns = group[0].columns
    body = b"".join([block.body for block in group])
    lengths = [block.lines for block in group]
    stamp = first_stamp(group[0])
    iso = columns.clock is None and not columns.date_format and is_iso(stamp)
    kind = kind_of(stamp) if iso else pa.string()
    if kind == UTC and zone.by_day:
        kind = pa.string()  # pyarrow keeps no date as it is written
    table = _table(body, columns, kind)
    # Blank lines and line breaks in a cell both make fewer rows than lines, so equal numbers exclude them.
    if table is None or len(table) != sum(lengths) or _has_lone_return(body):
        return None
    file = np.repeat(np.arange(len(group), dtype=np.int32), lengths)
    line = np.concatenate([np.arange(block.first, block.first + block.lines, dtype=np.int32) for block in group])
    names = tuple(block.path for block in group)
    wanted = _wanted(table, columns)
    if wanted is not None:
        table, file, line = table.filter(pa.array(wanted)), file[wanted], line[wanted]
    if any(table[name].null_count for name in (TIME, SYMBOL, CLOCK) if name in table.column_names):
        return None
    times = _times(table, columns, kind, replace(zone, own=columns.zone))
    if times is None:
        return None
    pieces = [_piece(table, own) for own in columns.apart()]
    if any(piece is None for piece in pieces):
        return None
    return [
        Rows(times[rows], values, names, file[rows], line[rows], owners=owners, owner=owner)
        for rows, values, owners, owner in filter(None, pieces)
    ]


def _piece(
    table: pa.Table, columns: Columns
) -> tuple[Ints | slice, dict[str, Floats], tuple[str, ...], Small | None] | None:
    """The rows with a bar, their numbers, and their owners; None if a cell of them is empty."""
    # A view where nothing is left out: the rows of a large file are not copied.
    rows: Ints | slice = slice(None)
    if columns.sparse:
        full = ~np.logical_and.reduce([np.asarray(pc.is_null(table[str(place)])) for place in columns.prices])
        if not full.all():
            rows, table = np.flatnonzero(full), table.filter(pa.array(full))
    placed = {name: None if place is None else table[str(place)] for name, place in columns.values.items()}
    owners, owner = _owners(table, columns)
    if "" in owners or any(column is not None and column.null_count for column in placed.values()):
        return None
    zeros = np.zeros(len(table))
    return (
        rows,
        {name: zeros if column is None else np.asarray(column) for name, column in placed.items()},
        owners,
        owner,
    )


def _times(table: pa.Table, columns: Columns, kind: pa.DataType, zone: Zone) -> Ints | None:
    """Instants of a table's rows; None if one cannot be read."""
    if pa.types.is_string(kind):
        clocks = table[CLOCK].combine_chunks() if columns.clock is not None else None
        times, problems = instants(table[TIME].combine_chunks(), clocks, columns.date_format, zone)
        return None if problems else times
    times = np.asarray(table[TIME].cast(pa.int64()))
    if kind == NAIVE:
        times, unclear = zone.local(times)
        if unclear.any():
            return None
    return times


def _wanted(table: pa.Table, columns: Columns) -> NDArray[np.bool_] | None:
    """Mask of the rows that are to be read; None: all of them."""
    mask: NDArray[np.bool_] | None = None
    for place, values in columns.where:
        name = _where_name(place)
        fits = np.concatenate([_is_one_of(chunk, values) for chunk in table[name].chunks] or [np.zeros(0, bool)])
        mask = fits if mask is None else mask & fits
    return mask


def _table(body: bytes, columns: Columns, kind: pa.DataType) -> pa.Table | None:
    """The needed columns: numbers are named by their positions. None if pyarrow rejects a cell or a line."""
    placed = {TIME: columns.time, SYMBOL: columns.symbol, CLOCK: columns.clock}
    placed |= {_where_name(place): place for place, _ in columns.where}
    placed |= {str(place): place for own in columns.apart() for place in own.values.values()}
    used = {name: place for name, place in placed.items() if place is not None}
    if len(set(used.values())) < len(used):
        return None  # one column has two uses
    names = [f"unused {position}" for position in range(columns.width)]
    types = {TIME: kind, SYMBOL: WORDS, CLOCK: pa.string()} | {_where_name(place): WORDS for place, _ in columns.where}
    for name, position in used.items():
        names[position] = name
    types = {name: types.get(name, pa.float64()) for name in used}
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=ARROW_BYTES),
            parse_options=arrow_csv.ParseOptions(delimiter=columns.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types, include_columns=list(types), strings_can_be_null=True,
                null_values=[*NO_VALUES] if columns.sparse else [""], decimal_point=columns.decimal,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid:
        return None


def _where_name(place: int) -> str:
    return f"where {place}"


def _owners(table: pa.Table, columns: Columns) -> tuple[tuple[str, ...], Small | None]:
    """The names of symbols, and for each row the place of its name among them; none in a file of one symbol."""
    if columns.symbol is None:
        return ((columns.owner,), np.zeros(len(table), dtype=np.int32)) if columns.owner else ((), None)
    column = table[SYMBOL].unify_dictionaries().combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    names = tuple(_text(name) for name in chunk.dictionary)
    return names, np.asarray(chunk.indices, dtype=np.int32)


def _is_one_of(chunk: pa.DictionaryArray, values: tuple[str, ...]) -> NDArray[np.bool_]:
    """Mask of the rows with one of these values; there may be spaces around them."""
    codes = [code for code, name in enumerate(chunk.dictionary) if _text(name) in values]
    return np.isin(np.asarray(chunk.indices.fill_null(-1)), codes)


def _text(name: Any) -> str:
    text: str = name.as_py().decode(errors="replace").strip()
    return text


def _has_lone_return(body: bytes) -> bool:
    return b"\r" in body and body.count(b"\r") != body.count(b"\r\n")
