"""Bars from Parquet files, in the same layouts as CSV, read batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract.errors import DataError
from schemas.contract.quality import Check
from workers.bars.files.columns import find_columns, number, symbol_column
from workers.bars.files.faults import Faults
from workers.bars.files.folder import Folder
from workers.bars.files.rows import Rows
from workers.bars.files.timestamps import from_column
from workers.bars.series import COLUMNS, Floats, Ints

BATCH_ROWS = 1 << 17

Found = list[tuple[int, str]]  # row of a batch, what is wrong with it


class ParquetFolder(Folder):
    """Bars of a folder of Parquet files, or of one file. Locations are row numbers from 1."""

    suffix = ".parquet"

    def _column_names(self, path: Path) -> list[str]:
        names: list[str] = pq.read_schema(path).names
        return names

    def _symbols_in(self, path: Path) -> set[str]:
        header = self._column_names(path)
        column = header[symbol_column(header) or 0]
        return {
            name
            for _, batch in _batches(path, [column])
            for name in _names(batch.column(0).dictionary_encode().dictionary)
        }

    def _read_files(self, files: list[Path], symbol: str | None, faults: Faults) -> Iterator[Rows]:
        for path in files:
            try:
                yield from self._read_file(path, symbol, faults)
            except DataError as error:
                faults.add(Check.UNREADABLE, str(path), str(error))
            except (OSError, pa.ArrowException) as error:
                faults.add(Check.UNREADABLE, str(path), f"cannot be read as bars: {' '.join(str(error).split())}")

    def _read_file(self, path: Path, symbol: str | None, faults: Faults) -> Iterator[Rows]:
        header = self._column_names(path)
        columns = find_columns(header)
        needed = [columns.time, *columns.values.values()]
        if symbol is not None and columns.symbol is not None:
            needed.append(columns.symbol)
        for start, batch in _batches(path, [header[position] for position in needed], symbol):
            yield _rows(path, start, batch, symbol, self.timezone, faults)


def _batches(path: Path, names: list[str], symbol: str | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of the named columns, in that order, each with the number, from 0, of its first row.

    The last column is that of symbols. Row groups that cannot hold `symbol` are skipped.
    """
    with pq.ParquetFile(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            row = start
            start += about.num_rows
            if symbol is not None and not _may_hold(about, names[-1], symbol):
                continue
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=names, use_threads=False):
                yield row, batch.select(names)
                row += len(batch)


def _may_hold(group: Any, column: str, symbol: str) -> bool:
    """Whether, by its statistics, a row group may hold rows of a symbol, or rows without one."""
    chunks = (group.column(place) for place in range(group.num_columns))
    found = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == column)
    if found is None or not found.has_min_max or found.null_count or not isinstance(found.min, str):
        return True
    # A name may have spaces around it; a space sorts before every other character.
    return bool(found.min <= symbol <= found.max) or found.min.startswith(" ")


def _rows(path: Path, start: int, batch: pa.RecordBatch, symbol: str | None, timezone: str, faults: Faults) -> Rows:
    """The readable rows of a batch. Its columns are timestamp, OHLCV and, if one symbol is wanted, the symbol."""
    found: Found = []
    rows = np.arange(len(batch))
    if symbol is not None and batch.num_columns > 1 + len(COLUMNS):
        rows = _owned(batch.column(1 + len(COLUMNS)), symbol, found)
        batch = batch.take(pa.array(rows))
    times, problems = from_column(batch.column(0), timezone)
    numbers = {name: _numbers(batch.column(place)) for place, name in enumerate(COLUMNS, start=1)}
    unread = [(row, f"{name} is {cell}") for name, (_, bad) in numbers.items() for row, cell in bad.items()]
    unread += problems.items()
    found += [(int(rows[row]), detail) for row, detail in unread]
    for row, detail in sorted(found):
        faults.add(Check.BAD_CELL, f"{path} row {start + row + 1}", detail)
    good = np.ones(len(rows), dtype=bool)
    good[[row for row, _ in unread]] = False
    kept = start + 1 + rows[good]
    values = {name: column[good] for name, (column, _) in numbers.items()}
    return Rows(times[good], values, lambda row: f"{path} row {kept[row]}")


def _owned(column: pa.Array, symbol: str, found: Found) -> Ints:
    """The rows of a symbol. A row that names no symbol is a fault of every symbol."""
    owners = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found += [(row, "symbol is empty") for row in _where(owners.is_null())]
    codes = [code for code, name in enumerate(_names(owners.dictionary)) if name == symbol]
    return np.flatnonzero(np.isin(np.asarray(owners.indices.fill_null(-1)), codes))


def _numbers(column: pa.Array) -> tuple[Floats, dict[int, str]]:
    """A column as float64, NaN where there is no number, and a description of each such cell by row."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        cells = column.to_pylist()
        read = [number(cell or "") for cell in cells]
        bad = {row: f"{cells[row]!r}, not a number" for row, value in enumerate(read) if value is None}
        return np.array(read, dtype=np.float64), bad
    empty = dict.fromkeys(_where(column.is_null()), "empty")
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan)), empty


def _names(values: pa.Array) -> list[str]:
    return [str(name if name is not None else "").strip() for name in values.to_pylist()]


def _where(flags: pa.Array) -> list[int]:
    rows: list[int] = np.flatnonzero(np.asarray(flags, dtype=bool)).tolist()
    return rows
