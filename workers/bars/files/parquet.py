"""Bars from Parquet files, in the same layouts as CSV, read batch by batch. Locations are row numbers from 1."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.contract.errors import DataError
from schemas.contract.quality import Check
from workers.bars.files.bar_file import BarFile
from workers.bars.files.cells import Report
from workers.bars.files.columns import SYMBOL_NAMES, TIME_NAMES, Columns, find_columns, number, rough_number
from workers.bars.files.date_formats import date_format
from workers.bars.files.folder import Folder
from workers.bars.files.formats import FileFormat, format_of, plain_name
from workers.bars.files.listing import About, reading_of
from workers.bars.files.rows import Rows
from workers.bars.files.timestamps import from_column, instants
from workers.bars.series import COLUMNS, Floats, Ints

BATCH_ROWS = 1 << 17
SUFFIXES = (".parquet", ".parq", ".pq")
# What pandas calls an index that has no name.
UNNAMED_INDEX = "__index_level_0__"

Found = list[tuple[int, str]]  # row of a batch, what is wrong with it


class ParquetFolder(Folder):
    """Bars of a folder of Parquet files, or of one file."""

    suffix = ".parquet"

    def _files_of(self, path: Path) -> list[BarFile]:
        return [BarFile(path, "", path.stem)] if path.suffix.lower() in SUFFIXES else []

    def _about(self, file: BarFile) -> About:
        form, columns, _ = self._columns(file)
        return About(form, columns.symbol is not None, (), reading_of(form, columns, self.options))

    def _columns(self, file: BarFile) -> tuple[FileFormat, Columns, list[str]]:
        """The format, the columns and their names: those of the file, then those of its path."""
        schema = pq.read_schema(file.path)
        names = [*schema.names, *(key for key, _ in file.keys if key.lower() not in SYMBOL_NAMES)]
        plain = [plain_name(name) for name in names]
        if UNNAMED_INDEX in names and not set(TIME_NAMES) & set(plain):
            plain[names.index(UNNAMED_INDEX)] = "timestamp"
        form = format_of(plain, file.name)
        known = [name if own == plain_name(name) else own for own, name in zip(plain, names, strict=True)]
        return form, find_columns(known, form, self.options), names

    def _read_files(self, files: list[BarFile], symbol: str | None, report: Report) -> Iterator[Rows]:
        for file in files:
            try:
                yield from self._read_file(file, report)
            except DataError as error:
                report("", Check.UNREADABLE, str(file), str(error))
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                report("", Check.UNREADABLE, str(file), f"cannot be read as bars: {' '.join(str(error).split())}")

    def _read_file(self, file: BarFile, report: Report) -> Iterator[Rows]:
        _, columns, names = self._columns(file)
        for start, batch in _batches(file, names, columns):
            if not start and not columns.date_format:
                columns = replace(columns, date_format=self.options.date_format or _date_format(batch))
            yield _rows(file, start, batch, columns, self.timezone, report)


def _batches(file: BarFile, names: list[str], columns: Columns) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """Batches of the needed columns by their standard names, each with the number, from 0, of its first row."""
    places = {"timestamp": columns.time, "symbol": columns.symbol, "clock": columns.clock} | columns.values
    places |= {f"where {place}": place for place, _ in columns.where}
    needed = {name: names[place] for name, place in places.items() if place is not None}
    keys = dict(file.keys)
    with pq.ParquetFile(file.path) as parquet:
        stored = [name for name in dict.fromkeys(needed.values()) if name in parquet.schema_arrow.names]
        old = {
            column.path for column in map(parquet.schema.column, range(len(parquet.schema.names)))
            if column.physical_type == "INT96"
        }  # fmt: skip
        start = 0
        for batch in parquet.iter_batches(BATCH_ROWS, columns=stored, use_threads=False):
            arrays = {name: batch.column(stored.index(name)) for name in stored}
            # Spark writes such a timestamp as an instant in UTC.
            arrays |= {name: arrays[name].cast(pa.timestamp("us", tz="UTC"), safe=False) for name in old & set(arrays)}
            arrays |= {key: pa.repeat(value, len(batch)) for key, value in keys.items() if key not in arrays}
            yield start, {name: arrays[own] for name, own in needed.items()}
            start += len(batch)


def _date_format(batch: dict[str, pa.Array]) -> str:
    column = batch["timestamp"]
    if not _is_text(column):
        return ""
    return date_format([str(stamp).strip() for stamp in pc.unique(column.cast(pa.string())).to_pylist() if stamp])


def _rows(
    file: BarFile, start: int, batch: dict[str, pa.Array], columns: Columns, timezone: str, report: Report
) -> Rows:
    """The readable rows of a batch."""
    found: Found = []
    rows = _wanted(batch, columns)
    if rows is not None:
        batch = {name: column.take(pa.array(rows)) for name, column in batch.items()}
    count = len(batch["timestamp"])
    rows = np.arange(count) if rows is None else rows
    names, owner = _owners(batch["symbol"]) if columns.symbol is not None else ((), np.zeros(count, dtype=np.int32))
    times, problems = _times(batch, columns, columns.zone or timezone)
    read = rough_number if columns.rough else number
    numbers = {name: _numbers(batch[name], read) if name in batch else (np.zeros(count), {}) for name in COLUMNS}
    found += [(row, f"{name} is {cell}") for name, (_, bad) in numbers.items() for row, cell in bad.items()]
    found += problems.items()
    nameless = {row for row in range(count) if not names[owner[row]]} if "" in names else set()
    found = [*((row, "symbol is empty") for row in nameless), *(each for each in found if each[0] not in nameless)]
    for row, detail in sorted(found):
        name = names[owner[row]] if names else ""
        report(name, Check.BAD_CELL, f"{file} row {start + int(rows[row]) + 1}", detail)
    good = np.ones(count, dtype=bool)
    good[[row for row, _ in found]] = False
    values = {name: column[good] for name, (column, _) in numbers.items()}
    line = (start + 1 + rows[good]).astype(np.int32)
    places = np.zeros(len(line), dtype=np.int32)
    return Rows(times[good], values, (str(file),), places, line, "row", names, owner[good] if names else None)


def _times(batch: dict[str, pa.Array], columns: Columns, timezone: str) -> tuple[Ints, dict[int, str]]:
    column = batch["timestamp"]
    if "clock" not in batch and not (columns.date_format and _is_text(column)):
        return from_column(column, timezone)
    clock = batch["clock"].cast(pa.string()).fill_null("") if "clock" in batch else None
    return instants(column.cast(pa.string()), clock, columns.date_format, timezone)


def _wanted(batch: dict[str, pa.Array], columns: Columns) -> Ints | None:
    """The numbers of the rows that are to be read; None: all."""
    mask: NDArray[np.bool_] | None = None
    for place, values in columns.where:
        encoded = batch[f"where {place}"].cast(pa.string()).dictionary_encode()
        codes = [code for code, name in enumerate(_names(encoded.dictionary)) if name in values]
        fits = np.isin(np.asarray(encoded.indices.fill_null(-1)), codes)
        mask = fits if mask is None else mask & fits
    return None if mask is None else np.flatnonzero(mask)


def _owners(column: pa.Array) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The names in a column of symbols, "" for none, and for each row the place of its name among them."""
    owners = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    names = (*_names(owners.dictionary), "")
    return names, np.asarray(owners.indices.cast(pa.int32()).fill_null(len(names) - 1))


def _numbers(column: pa.Array, read: Any) -> tuple[Floats, dict[int, str]]:
    """A column as float64, NaN where there is no number, and a description of each such cell by row."""
    if _is_text(column):
        cells = column.to_pylist()
        values = [read(cell or "") for cell in cells]
        bad = {row: f"{cells[row]!r}, not a number" for row, value in enumerate(values) if value is None}
        return np.array(values, dtype=np.float64), bad
    empty = dict.fromkeys(np.flatnonzero(np.asarray(column.is_null())).tolist(), "empty")
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan)), empty


def _is_text(column: pa.Array) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _names(values: pa.Array) -> list[str]:
    return [str(name if name is not None else "").strip() for name in values.to_pylist()]
