"""The bar store: one Parquet file per symbol, whose bytes depend on its bars only; read once per process."""

import hashlib
import io
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.contract.errors import DataError
from workers.bars.calendar import day_of
from workers.bars.series import COLUMNS, Floats, Ints, Series

CACHED_SYMBOLS = 64
FLOAT = pa.float64()
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
SPECIAL_SHARE = 0.05  # a weekday with a smaller share of the sessions has special sessions only


def encode(table: pa.Table) -> bytes:
    """Parquet bytes of a table of bars; equal tables give equal bytes with the same version of pyarrow."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def usual_days(session: Ints) -> tuple[tuple[int, ...], tuple[date, ...]]:
    """Weekdays (0 is Monday) of nearly all sessions, and sessions on other days; `session` has one value per bar."""
    days = np.unique(session)
    weekday = (days + EPOCH_WEEKDAY) % 7
    counts = np.bincount(weekday, minlength=7)
    usual = np.flatnonzero(counts > SPECIAL_SHARE * len(days))
    return tuple(usual.tolist()), tuple(day_of(day) for day in days[~np.isin(weekday, usual)])


@lru_cache(maxsize=CACHED_SYMBOLS)
def load(path: Path, sha256: str) -> Series:
    """Bars of a stored file; DataError if it is missing or its SHA-256 is not `sha256`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run again without --skip-fetch") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{path} has changed since the run began, because another ingestion replaced it; start a new run"
        )
    return decode(content)[0]


def read(path: Path) -> tuple[Series, Floats] | None:
    """Stored bars and each bar's adjustment factor; None if nothing is stored, DataError if the file is unreadable."""
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:  # whatever damage makes of it
        raise DataError(f"{path} cannot be read: {error}; remove it and ingest again") from None


def decode(content: bytes) -> tuple[Series, Floats]:
    """Bars of a stored file's bytes, and each bar's adjustment factor."""
    # Not read_table: it opens a data set, which takes twice as long.
    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    series = Series(
        timestamp=values(table["timestamp"], pa.int64()),
        session=values(table["session"], pa.int32()).astype(np.int64),
        **{name: values(table[name]) for name in COLUMNS},
    )
    return series, values(table["factor"])


def values(column: pa.ChunkedArray, kind: pa.DataType = FLOAT) -> NDArray[Any]:
    """A column without missing values as an array of its own type, without a copy.

    pyarrow's own conversion loads pandas, which takes longer than reading a hundred symbols.
    """
    chunks = [np.from_dlpack(chunk.view(kind)) for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate([np.empty(0, kind.to_pandas_dtype()), *chunks])
