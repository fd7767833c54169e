"""Bars from Parquet files in the same layouts as CSV."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import DataError
from workers.bars.series import COLUMNS
from workers.bars.sources.folder import folder_symbols, read_files, symbol_files
from workers.bars.sources.table import rename_columns

SUFFIX = ".parquet"


def symbols(folder: str, interval: str) -> list[str]:
    """Symbols that `folder` holds at `interval`."""
    return folder_symbols(Path(folder), interval, SUFFIX)


def read(folder: str, symbol: str, interval: str, timezone: str) -> pa.Table:
    """All bars of one symbol; DataError names the file and row (from 1) of what is wrong."""
    files = symbol_files(Path(folder), symbol, interval, SUFFIX)
    return read_files(files, _read_file, timezone, position="row", first=1)


def _read_file(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
        names = rename_columns(table.column_names, path)
        table = table.select(list(names.values())).rename_columns(list(names))
        for column in COLUMNS:
            values = table[column].cast(pa.float64())
            table = table.set_column(table.column_names.index(column), column, values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{path}: cannot be read as bars: {' '.join(str(error).split())}") from None
    for column in table.column_names:
        if table[column].null_count:
            raise DataError(f"{path} row {_first_null(table[column])}: {column} is empty")
    return table


def _first_null(column: pa.ChunkedArray) -> int:
    return int(np.flatnonzero(np.asarray(column.is_null()))[0]) + 1
