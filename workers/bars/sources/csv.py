"""Bars from CSV files, read by pyarrow; a cell it refuses is found again and named by file and line."""

import csv
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from schemas.errors import DataError
from workers.bars.series import COLUMNS
from workers.bars.sources.folder import folder_symbols, read_files, symbol_files
from workers.bars.sources.table import rename_columns

SUFFIX = ".csv"


def symbols(folder: str, interval: str) -> list[str]:
    """Symbols that `folder` holds at `interval`."""
    return folder_symbols(Path(folder), interval, SUFFIX)


def read(folder: str, symbol: str, interval: str, timezone: str) -> pa.Table:
    """All bars of one symbol; DataError names file and line of what is wrong."""
    files = symbol_files(Path(folder), symbol, interval, SUFFIX)
    return read_files(files, _read_file, timezone, position="line", first=2)


def _read_file(path: Path) -> pa.Table:
    try:
        return _read_text(path)
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def _read_text(path: Path) -> pa.Table:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), None)
    if not header:
        raise DataError(f"{path}: is empty; expected a header timestamp,{','.join(COLUMNS)}")
    names = rename_columns(header, path)
    types = {names["timestamp"]: pa.string()} | {names[c]: pa.float64() for c in COLUMNS}
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(ignore_empty_lines=True),
            convert_options=arrow_csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[""]),
        )
    except pa.ArrowInvalid as error:
        why = " ".join(str(error).split())
        raise DataError(_first_bad_cell(path, header, names) or f"{path}: {why}") from None
    if any(table[name].null_count for name in types):
        raise DataError(_first_bad_cell(path, header, names) or f"{path}: has empty cells")
    return table.select(list(types)).rename_columns(["timestamp", *COLUMNS])


def _first_bad_cell(path: Path, header: list[str], names: dict[str, str]) -> str | None:
    """Sentence about the first cell that is empty or no number, or the first line of another length."""
    positions = {column: header.index(names[column]) for column in COLUMNS}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                return f"{path} line {reader.line_num}: has {len(row)} cells, the header has {len(header)}"
            if not row[header.index(names["timestamp"])].strip():
                return f"{path} line {reader.line_num}: timestamp is empty"
            for column, position in positions.items():
                if not _is_number(row[position]):
                    return f"{path} line {reader.line_num}: {column} is {row[position]!r}, not a number"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()
