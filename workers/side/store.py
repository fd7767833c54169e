"""Stored side data: one Parquet file per content, named by its digest, so that a run finds its own after newer ones."""

import hashlib
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.config.side import SideChoice, SideFile
from schemas.contract.errors import DataError
from schemas.files.layout import side_file
from workers.bars.store import values
from workers.side.files import KNOWN_AT, SYMBOL, TIME
from workers.side.joined import NO_SIDE, SideData
from workers.side.table import SHARED, SideTable, Values

INSTANT = pa.timestamp("us", tz="UTC")
# The data folder of this process, below which side data and universes are stored.
_data_dir: list[str] = []


def use_side_of(data_dir: str | Path) -> None:
    """Let this process read the side data and universes that are stored below a data folder."""
    _data_dir[:] = [str(data_dir)]


def data_dir_here() -> str:
    """The data folder below which this process reads them."""
    return _data_dir[0] if _data_dir else "."


def side_of(choice: SideChoice | None) -> SideData:
    """The side data of a run. DataError where a file is missing or damaged."""
    return NO_SIDE if choice is None else _side_of(choice, data_dir_here())


@lru_cache(maxsize=4)
def _side_of(choice: SideChoice, data_dir: str) -> SideData:
    tables = {each.name: load(side_file(data_dir, each.name, each.sha256), each) for each in choice.files}
    return SideData(tables, choice.calendar, choice.interval)


def load(path: Path, file: SideFile) -> SideTable:
    """A stored file. DataError if it is missing, or is not the one of that digest."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing: side data {file.name} of the run; start a new run") from None
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{path} is damaged: its digest is not its name; remove it and start a new run")
    return decode(content, file.max_age_s)


def encode(table: SideTable) -> bytes:
    """Parquet bytes of a table, which depend on its rows alone."""
    owners = sorted(table.rows)
    rows = [table.rows[owner] for owner in owners]
    columns: dict[str, pa.Array] = {}
    if table.by_symbol:
        columns[SYMBOL] = pa.array(
            [owner for owner, mine in zip(owners, rows, strict=True) for _ in range(len(mine))], pa.string()
        )
    columns[TIME] = pa.array(np.concatenate([mine.time for mine in rows]), INSTANT)
    columns[KNOWN_AT] = pa.array(np.concatenate([mine.known_at for mine in rows]), INSTANT)
    matrix = np.concatenate([mine.values for mine in rows])
    columns |= {name: pa.array(column) for name, column in zip(table.columns, matrix.T, strict=True)}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="zstd")
    return buffer.getvalue()


def decode(content: bytes, max_age_s: int | None) -> SideTable:
    """The table of a stored file's bytes."""
    stored = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    by_symbol = SYMBOL in stored.column_names
    columns = tuple(stored.column_names[3 if by_symbol else 2 :])
    time, known_at = values(stored[TIME], pa.int64()), values(stored[KNOWN_AT], pa.int64())
    matrix = np.column_stack([values(stored[name]) for name in columns])
    owners = np.array(stored[SYMBOL].to_pylist() if by_symbol else [SHARED] * len(time), dtype=object)
    return table_of(columns, owners, time, known_at, matrix, max_age_s)


def table_of(
    columns: tuple[str, ...], owners: np.ndarray, time: np.ndarray, known_at: np.ndarray, matrix: np.ndarray,
    max_age_s: int | None,
) -> SideTable:  # fmt: skip
    """The table of rows in any order."""
    order = np.lexsort((time, known_at))
    rows = {}
    for owner in dict.fromkeys(owners.tolist()):
        mine = order[owners[order] == owner]
        rows[owner] = Values(time[mine], known_at[mine], matrix[mine])
    return SideTable(columns, rows, None if max_age_s is None else max_age_s * 10**6)
