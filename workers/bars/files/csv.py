"""Bars from CSV files: pyarrow parses them in blocks; only a block that it rejects is read again cell by cell."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from schemas.contract.errors import DataError
from schemas.contract.quality import Check
from workers.bars.files.blocks import Block, file_blocks, header_names, joined, names_of
from workers.bars.files.cells import first_stamp, read_cells
from workers.bars.files.columns import Columns, find_columns, symbol_column
from workers.bars.files.faults import Faults
from workers.bars.files.folder import Folder
from workers.bars.files.local_time import localise
from workers.bars.files.rows import Rows, chain
from workers.bars.files.timestamps import NAIVE, kind_of
from workers.bars.raw_bars import Locate
from workers.bars.series import COLUMNS, Ints

TIME, SYMBOL = "timestamp", "symbol"
ARROW_BYTES = 4 << 20
# A block of at most this size is read cell by cell and not halved again.
CELLS_BYTES = 64 << 10
SYMBOL_TYPE = pa.dictionary(pa.int32(), pa.binary())


class CsvFolder(Folder):
    """Bars of a folder of CSV files, or of one file."""

    suffix = ".csv"

    def _column_names(self, path: Path) -> list[str]:
        return header_names(path)

    def _symbols_in(self, path: Path) -> set[str]:
        names: set[str] = set()
        for block in file_blocks(path):
            names.update(_symbols(block))
        return names

    def _read_files(self, files: list[Path], symbol: str | None, faults: Faults) -> Iterator[Rows]:
        for group in joined(_blocks(files, symbol, faults)):
            yield from self._read_group(group, symbol, faults)

    def _read_group(self, group: list[Block], symbol: str | None, faults: Faults) -> Iterator[Rows]:
        columns = _columns(group[0].header)
        rows = _parse(group, columns, symbol, self.timezone)
        if rows is not None:
            yield rows
            return
        parts = _parts(group)
        if not parts:
            yield read_cells(group[0], columns, symbol, self.timezone, faults)
        for part in parts:
            yield from self._read_group(part, symbol, faults)


def _parts(group: list[Block]) -> list[list[Block]]:
    """The two halves of a group that pyarrow rejected, to find the few bad lines; empty if the group is small."""
    if len(group) > 1:
        half = len(group) // 2
        return [group[:half], group[half:]]
    return [[half] for half in group[0].halves()] if len(group[0].body) > CELLS_BYTES else []


def _blocks(files: list[Path], symbol: str | None, faults: Faults) -> Iterator[Block]:
    """Blocks that may hold rows of `symbol`; a file that lacks a column or cannot be opened is a fault."""
    for path in files:
        try:
            for block in file_blocks(path):
                _columns(block.header)
                if block.body and (symbol is None or symbol.encode() in block.body):
                    yield block
        except OSError as error:
            faults.add(Check.UNREADABLE, str(path), f"cannot be read: {error.strerror or error}")
        except DataError as error:
            faults.add(Check.UNREADABLE, f"{path} line 1", str(error))


@lru_cache(maxsize=256)
def _columns(header: bytes) -> Columns:
    return find_columns(names_of(header))


def _parse(group: list[Block], columns: Columns, symbol: str | None, timezone: str) -> Rows | None:
    """Rows as pyarrow reads them; None if it rejects a cell, if one is empty, or if rows and lines differ in number."""
    body = b"".join([block.body for block in group])
    lengths = [block.lines for block in group]
    kind = kind_of(first_stamp(group[0], columns))
    table = _table(body, columns, kind, symbol)
    # Blank lines and line breaks in a cell both make fewer rows than lines, so equal numbers exclude them.
    if table is None or len(table) != sum(lengths) or _has_lone_return(body):
        return None
    locate = chain(lengths, [_locate(block.path, block.first) for block in group])
    if symbol is not None:
        names = table[SYMBOL]
        if names.null_count:
            return None
        wanted = np.concatenate([_is_symbol(chunk, symbol) for chunk in names.chunks])
        table, locate = table.filter(pa.array(wanted)), _among(locate, np.flatnonzero(wanted))
    if any(table[name].null_count for name in (TIME, *COLUMNS)):
        return None
    return _rows(table, kind, timezone, locate)


def _rows(table: pa.Table, kind: pa.DataType, timezone: str, locate: Locate) -> Rows | None:
    times = np.asarray(table[TIME].cast(pa.int64()))
    if kind == NAIVE:
        times, unclear = localise(times, timezone)
        if unclear.any():
            return None
    return Rows(times, {name: np.asarray(table[name]) for name in COLUMNS}, locate)


def _table(body: bytes, columns: Columns, kind: pa.DataType, symbol: str | None) -> pa.Table | None:
    """The needed columns under their standard names; None if pyarrow rejects a cell or a line."""
    names = [str(position) for position in range(columns.width)]
    names[columns.time] = TIME
    for name, position in columns.values.items():
        names[position] = name
    types = {TIME: kind} | dict.fromkeys(COLUMNS, pa.float64())
    if symbol is not None and columns.symbol is not None:
        names[columns.symbol] = SYMBOL
        types[SYMBOL] = SYMBOL_TYPE
    try:
        return _read_arrow(body, names, types)
    except pa.ArrowInvalid:
        return None


def _read_arrow(body: bytes, names: list[str], types: dict[str, pa.DataType], **options: Any) -> pa.Table:
    return arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=ARROW_BYTES),
        parse_options=arrow_csv.ParseOptions(**options),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )


def _symbols(block: Block) -> set[str]:
    """Every name in the symbol column, "" for an empty cell. Lines of another length are skipped here."""
    header = names_of(block.header)
    names = [str(position) for position in range(len(header))]
    column = names[symbol_column(header) or 0]
    table = _read_arrow(block.body, names, {column: SYMBOL_TYPE}, invalid_row_handler=lambda row: "skip")
    dictionaries = [chunk.dictionary for chunk in table[column].chunks]
    found = {_text(name) for dictionary in dictionaries for name in dictionary}
    return found | ({""} if table[column].null_count else set())


def _is_symbol(chunk: pa.DictionaryArray, symbol: str) -> NDArray[np.bool_]:
    """Mask of the symbol's rows; names may have spaces around them."""
    codes = [code for code, name in enumerate(chunk.dictionary) if _text(name) == symbol]
    return np.isin(np.asarray(chunk.indices), codes)


def _text(name: pa.Scalar) -> str:
    text: str = name.as_py().decode(errors="replace").strip()
    return text


def _has_lone_return(body: bytes) -> bool:
    return b"\r" in body and body.count(b"\r") != body.count(b"\r\n")


def _locate(path: Path, first: int) -> Locate:
    # The closure must not keep the block: locations are used after its memory is freed.
    return lambda row: f"{path} line {first + row}"


def _among(locate: Locate, kept: Ints) -> Locate:
    return lambda row: locate(int(kept[row]))
