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
from workers.bars.files.columns import (
    SYMBOL_NAMES,
    Columns,
    find_columns,
    group_columns,
    number,
    rough_number,
)
from workers.bars.files.date_formats import date_format
from workers.bars.files.folder import Folder
from workers.bars.files.formats import YFINANCE, FileFormat, format_of, plain_name
from workers.bars.files.groups import groups_of_names
from workers.bars.files.listing import About, reading_of
from workers.bars.files.local_time import Zone
from workers.bars.files.names import TIME_NAMES
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
        form, columns, _, symbols = self._columns(file)
        return About(form, columns.symbol is not None, symbols, reading_of(form, columns, self.options))

    def _columns(self, file: BarFile) -> tuple[FileFormat, Columns, list[str], tuple[str, ...]]:
        """The format, the columns, their names (of the file, then of its path), and symbols with a group of columns."""
        with file.path.open("rb") as stream:
            if stream.read(6) == b"ARROW1":
                raise DataError("is a Feather file; write it as Parquet")
        schema = pq.read_schema(file.path)
        names = [*schema.names, *(key for key, _ in file.keys if key.lower() not in SYMBOL_NAMES)]
        plain = [plain_name(name) for name in names]
        if UNNAMED_INDEX in names and not set(TIME_NAMES) & set(plain):
            plain[names.index(UNNAMED_INDEX)] = "timestamp"
        known = [name if own == plain_name(name) else own for own, name in zip(plain, names, strict=True)]
        if groups := groups_of_names(known):
            return YFINANCE, group_columns(groups, YFINANCE, self.options), names, tuple(groups)
        form = format_of(plain, file.name)
        return form, find_columns(known, form, self.options), names, ()

    def _read_files(self, files: list[BarFile], report: Report) -> Iterator[Rows]:
        for file in files:
            try:
                yield from self._read_file(file, report)
            except DataError as error:
                report("", Check.UNREADABLE, str(file), str(error))
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                report("", Check.UNREADABLE, str(file), f"cannot be read as bars: {' '.join(str(error).split())}")

    def _read_file(self, file: BarFile, report: Report) -> Iterator[Rows]:
        _, columns, names, _ = self._columns(file)
        for start, arrays in _batches(file, names, columns):
            if not start and not columns.date_format:
                form = self.options.date_format or _date_format(arrays[columns.time])
                columns = replace(columns, date_format=form)
            for own in columns.apart():
                batch = {name: arrays[place] for name, place in _places(own).items()}
                yield _rows(file, start, batch, own, self.zone, report)


def _places(columns: Columns) -> dict[str, int]:
    """The columns by their standard names."""
    places = {"timestamp": columns.time, "symbol": columns.symbol, "clock": columns.clock} | columns.values
    places |= {f"where {place}": place for place, _ in columns.where}
    return {name: place for name, place in places.items() if place is not None}


def _batches(file: BarFile, names: list[str], columns: Columns) -> Iterator[tuple[int, dict[int, pa.Array]]]:
    """Batches of the needed columns by their positions, each with the number, from 0, of its first row."""
    needed = dict.fromkeys(place for own in columns.apart() for place in _places(own).values())
    keys = dict(file.keys)
    with pq.ParquetFile(file.path) as parquet:
        stored = [names[place] for place in needed if names[place] in parquet.schema_arrow.names]
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
            yield start, {place: arrays[names[place]] for place in needed}
            start += len(batch)


def _date_format(column: pa.Array) -> str:
    if not _is_text(column):
        return ""
    return date_format([str(stamp).strip() for stamp in pc.unique(column.cast(pa.string())).to_pylist() if stamp])


def _rows(file: BarFile, start: int, batch: dict[str, pa.Array], columns: Columns, zone: Zone, report: Report) -> Rows:
    """The readable rows of a batch."""
    found: Found = []
    rows = _wanted(batch, columns)
    if rows is not None:
        batch = {name: column.take(pa.array(rows)) for name, column in batch.items()}
    count = len(batch["timestamp"])
    rows = np.arange(count) if rows is None else rows
    names, owner = _owners(batch["symbol"]) if columns.symbol is not None else (
        (columns.owner,) if columns.owner else (), np.zeros(count, dtype=np.int32)
    )  # fmt: skip
    times, problems = _times(batch, columns, replace(zone, own=columns.zone))
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


def _times(batch: dict[str, pa.Array], columns: Columns, zone: Zone) -> tuple[Ints, dict[int, str]]:
    column = batch["timestamp"]
    if "clock" not in batch and not (columns.date_format and _is_text(column)):
        return from_column(column, zone)
    clock = batch["clock"].cast(pa.string()).fill_null("") if "clock" in batch else None
    return instants(column.cast(pa.string()), clock, columns.date_format, zone)


def _wanted(batch: dict[str, pa.Array], columns: Columns) -> Ints | None:
    """The numbers of the rows that are to be read; None: all."""
    mask: NDArray[np.bool_] | None = None
    for place, values in columns.where:
        encoded = batch[f"where {place}"].cast(pa.string()).dictionary_encode()
        codes = [code for code, name in enumerate(_names(encoded.dictionary)) if name in values]
        fits = np.isin(np.asarray(encoded.indices.fill_null(-1)), codes)
        mask = fits if mask is None else mask & fits
    if columns.sparse:
        empty = [np.asarray(pc.is_null(batch[name], nan_is_null=True)) for name in COLUMNS if name != "volume"]
        full = ~np.logical_and.reduce(empty)
        mask = full if mask is None else mask & full
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
