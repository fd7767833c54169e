"""The bar store: one Parquet file a symbol, its bytes a function of its bars, read once a process."""

import hashlib
import io
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.coverage import Coverage
from schemas.errors import DataError
from workers.bars.series import COLUMNS, Series

CACHED_SYMBOLS = 64
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
SPECIAL_SHARE = 0.05  # a weekday with fewer of the sessions is one of special sessions alone


def encode(table: pa.Table) -> bytes:
    """Parquet bytes of a bars table; equal tables give equal bytes under one pyarrow version."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def describe(table: pa.Table, content: bytes, *, symbol: str, interval: str, source: str, adjusted: bool) -> Coverage:
    """The coverage row of a bars table and its stored bytes."""
    sessions = table["session"]
    days, bars = np.unique(np.asarray(sessions.cast(pa.int32())), return_counts=True)
    weekday = (days + EPOCH_WEEKDAY) % 7
    counts = np.bincount(weekday, minlength=7)
    usual = np.flatnonzero(counts > SPECIAL_SHARE * len(days))
    special = days[~np.isin(weekday, usual)]
    return Coverage(
        symbol=symbol,
        interval=interval,
        bars=len(table),
        sessions=len(days),
        most_bars_a_session=int(bars.max()),
        weekdays=tuple(usual.tolist()),
        special_sessions=tuple(date(1970, 1, 1) + timedelta(days=int(day)) for day in special),
        first=sessions[0].as_py(),
        last=sessions[-1].as_py(),
        source=source,
        adjusted=adjusted,
        sha256=hashlib.sha256(content).hexdigest(),
    )


@lru_cache(maxsize=CACHED_SYMBOLS)
def load(path: Path, sha256: str) -> Series:
    """Bars of a stored file; DataError if it is missing or not the bytes that `sha256` names."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run again without --skip-fetch") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"{path} is not what the run began with (another ingestion replaced it); start a new run")
    table = pq.read_table(io.BytesIO(content))
    values = {name: np.asarray(table[name], dtype=np.float64) for name in COLUMNS}
    return Series(
        timestamp=np.asarray(table["timestamp"].cast(pa.int64())),
        session=np.asarray(table["session"].cast(pa.int32()), dtype=np.int64),
        **values,
    )
