"""Reads a file of side data, CSV or Parquet, into columns; what cannot be read is a fault with its place."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from schemas.config.side import SideRequest
from schemas.contract.errors import DataError
from schemas.contract.identifiers import is_symbol
from schemas.contract.quality import Check
from workers.bars.files.bar_file import BarFile, text_files
from workers.bars.files.columns import number
from workers.bars.files.date_formats import date_format
from workers.bars.files.faults import Faults
from workers.bars.files.local_time import DAY_US, Zone, local_times
from workers.bars.files.timestamps import from_column, instants
from workers.bars.series import Floats, Ints

TIME, KNOWN_AT, SYMBOL = "time", "known_at", "symbol"
KEYS = (TIME, KNOWN_AT, SYMBOL)
DELIMITERS = ",\t;|"
PARQUET = (".parquet", ".parq", ".pq")
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class RawSide:
    """Rows of a file, in its order; NaN where a cell is empty. `owners` is "" for values that all symbols share.

    `locate` maps a row to its place in the file.
    """

    columns: tuple[str, ...]
    owners: NDArray[np.object_]
    time: Ints
    known_at: Ints
    values: Floats
    locate: Callable[[int], str]
    by_symbol: bool


def read_side(request: SideRequest, timezone: str, faults: Faults) -> RawSide | None:
    """The rows that can be read; the others are added to `faults`. None where the file cannot be read at all."""
    path = Path(request.path)
    try:
        table, locate = _parquet(path) if path.suffix.lower() in PARQUET else _text(path, faults)
        columns = _columns(table.column_names, request)
        return _rows(table, columns, locate, request, timezone, faults)
    except DataError as error:
        faults.add(Check.UNREADABLE, str(path), str(error))
    except OSError as error:
        faults.add(Check.UNREADABLE, str(path), f"cannot be read: {error.strerror or error}; check --side")
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        faults.add(Check.UNREADABLE, str(path), f"cannot be read: {' '.join(str(error).split())}; correct the file")
    return None


def _rows(
    table: pa.Table, columns: tuple[str, ...], locate: Callable[[int], str], request: SideRequest, timezone: str,
    faults: Faults,
) -> RawSide:  # fmt: skip
    if not len(table):
        raise DataError("has no rows; write one per value")
    bad: dict[int, str] = {}
    zone = Zone(timezone)
    time, until = _times(table.column(TIME), TIME, zone, bad)
    if KNOWN_AT in table.column_names:
        known_at = _times(table.column(KNOWN_AT), KNOWN_AT, zone, bad)[1]
    else:
        assert request.lag_s is not None
        known_at = until + request.lag_s * 10**6
    owners = _owners(table, bad)
    values = np.full((len(table), len(columns)), np.nan)
    for place, name in enumerate(columns):
        values[:, place] = _numbers(table.column(name), name, locate, faults, bad)
    for row in sorted(bad):
        faults.add(Check.BAD_CELL, locate(row), bad[row])
    good = np.setdiff1d(np.arange(len(table)), np.array(list(bad), dtype=np.int64))
    return RawSide(
        columns, owners[good], time[good], known_at[good], values[good], lambda row: locate(int(good[row])),
        SYMBOL in table.column_names,
    )  # fmt: skip


def _columns(names: list[str], request: SideRequest) -> tuple[str, ...]:
    """The columns of values. DataError for a header that is not one of side data."""
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"the header has column {name or '(without a name)'} twice; keep one")
    if TIME not in names:
        raise DataError("the header has no column time, what a value is about; rename one")
    if KNOWN_AT not in names and request.lag_s is None:
        raise DataError(
            "the header has no column known_at, when a value was known; add one, or declare how long after its time"
            f" each value is known: --side-lag {request.name}=1d"
        )
    if KNOWN_AT in names and request.lag_s is not None:
        raise DataError(f"has a column known_at, which decides; leave --side-lag {request.name} out")
    values = tuple(name for name in names if name not in KEYS)
    if not values:
        raise DataError("the header has no column of values beside time, known_at and symbol; add one")
    if odd := next((name for name in values if not name.isprintable() or not name), None):
        raise DataError(f"the header has a column {odd!r}; give it a name")
    return values


def _parquet(path: Path) -> tuple[pa.Table, Callable[[int], str]]:
    table = pq.ParquetFile(path).read(use_threads=False)
    names = [name.strip().lower() if name.strip().lower() in KEYS else name for name in table.column_names]
    return table.rename_columns(names), lambda row: f"{path} row {row + 1}"


def _text(path: Path, faults: Faults) -> tuple[pa.Table, Callable[[int], str]]:
    """All cells of a text file as text; lines of another width than the header are faults."""
    files = text_files(path)
    if len(files) != 1:
        raise DataError("is not one text file (.csv, .txt, .tsv, also packed) and not Parquet; give one file")
    body = _body(files[0])
    head, _, _ = body.partition(b"\n")
    header_text = head.decode()
    delimiter = max(DELIMITERS, key=header_text.count)
    header = [cell.strip() for cell in next(csv.reader([header_text.rstrip("\r")], delimiter=delimiter), [])]
    if not any(header):
        raise DataError("the first line is empty; begin with the header")
    header = [cell.lower() if cell.lower() in KEYS else cell for cell in header]
    unique = [f"{place}" for place in range(len(header))]

    def odd_line(row: arrow_csv.InvalidRow) -> str:
        has = f"has {row.actual_columns} cells, the header has {row.expected_columns}"
        faults.add(Check.UNREADABLE, f"{path} line {row.number}", f"{has}; correct the line")
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(body),
        read_options=arrow_csv.ReadOptions(use_threads=False, column_names=unique, skip_rows=1),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=odd_line),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(unique, pa.string()), strings_can_be_null=False
        ),
    )
    lines = [number for number, line in enumerate(io.BytesIO(body), start=1) if number > 1 and line.strip()]
    # A cell with line breaks makes fewer rows than lines: then rows are counted.
    known = len(lines) == len(table)

    def locate(row: int) -> str:
        return f"{path} line {lines[row]}" if known else f"{path} row {row + 1}"

    return table.rename_columns(header), locate


def _body(file: BarFile) -> bytes:
    with file.open() as stream:
        body: bytes = stream.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise DataError(f"is larger than {MOST_BYTES >> 30} GiB; write it as Parquet")
    body = body.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise DataError("is empty; write a header and rows")
    return body


def _times(column: pa.ChunkedArray, name: str, zone: Zone, bad: dict[int, str]) -> tuple[Ints, Ints]:
    """Instants of a column, and of each the end of what it names: of a day without a time of day, the next midnight.

    A midnight is such a day if all are, or if it is written without a time. DataError for dates that are not clear.
    """
    whole = _combined(column)
    clock = np.ones(len(whole), dtype=np.bool_)  # may have a time of day
    if _is_text(whole):
        stamps = [str(each if each is not None else "").strip() for each in whole.to_pylist()]
        clock = np.array([":" in stamp for stamp in stamps])
        try:
            form = date_format(list(dict.fromkeys(stamp for stamp in stamps if stamp)))
        except DataError as error:
            raise DataError(f"column {name}: {error}") from None
        found, problems = instants(pa.array(stamps, pa.string()), None, form, zone)
    else:
        found, problems = from_column(whole, zone)
    for row, problem in problems.items():
        bad.setdefault(row, f"column {name}: {problem}")
    local = local_times(found, zone.name)
    midnight = local % DAY_US == 0
    if (midnight | np.isin(np.arange(len(found)), list(problems))).all():
        clock[:] = False
    next_day, _ = Zone(zone.name, by_day=True).local(local - local % DAY_US + DAY_US)
    return found, np.where(midnight & ~clock, next_day, found)


def _owners(table: pa.Table, bad: dict[int, str]) -> NDArray[np.object_]:
    if SYMBOL not in table.column_names:
        return np.full(len(table), "", dtype=object)
    names = [str(each if each is not None else "").strip() for each in _combined(table.column(SYMBOL)).to_pylist()]
    known: dict[str, bool] = {}
    for row, name in enumerate(names):
        if not known.setdefault(name, is_symbol(name)):
            bad.setdefault(row, f"symbol is {name!r}, not the name of a symbol" if name else "symbol is empty")
    return np.array(names, dtype=object)


def _numbers(
    column: pa.ChunkedArray, name: str, locate: Callable[[int], str], faults: Faults, bad: dict[int, str]
) -> Floats:
    """A column as float64; NaN for an empty cell."""
    whole = _combined(column)
    if not _is_text(whole):
        if not (pa.types.is_integer(whole.type) or pa.types.is_floating(whole.type) or pa.types.is_boolean(whole.type)
                or pa.types.is_decimal(whole.type)):  # fmt: skip
            faults.add(Check.BAD_CELL, locate(0), f"column {name} is of type {whole.type}; {_ONLY_NUMBERS}")
            return np.full(len(whole), np.nan)
        kind = pa.int8() if pa.types.is_boolean(whole.type) else whole.type
        found = np.asarray(whole.cast(kind).cast(pa.float64(), safe=False).fill_null(np.nan), dtype=np.float64).copy()
        problems = {int(row): f"{name} is {found[row]:g}, not a number" for row in np.flatnonzero(np.isinf(found))}
    else:
        found, problems = _parsed([str(each or "").strip() for each in whole.to_pylist()], name)
    if problems and not np.isfinite(found).any():
        row = min(problems)
        faults.add(Check.BAD_CELL, locate(row), f"column {problems[row]}, as all of its cells; {_ONLY_NUMBERS}")
        return found
    for row, problem in problems.items():
        bad.setdefault(row, problem)
    return found


_ONLY_NUMBERS = "side data are numbers: write a column of 0 and 1 per class, or leave the column out"


def _parsed(cells: list[str], name: str) -> tuple[Floats, dict[int, str]]:
    found, problems = np.full(len(cells), np.nan), dict[int, str]()
    for row, cell in enumerate(cells):
        if not cell or cell.lower() in ("nan", "null", "none", "na", "n/a"):
            continue
        value = number(cell)
        if value is None or not np.isfinite(value):
            problems[row] = f"{name} is {cell[:60]!r}, not a number"
        else:
            found[row] = value
    return found, problems


def _combined(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _is_text(column: pa.Array) -> bool:
    kind = column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
