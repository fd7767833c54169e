"""Pick the source that a run asks for, and read symbols from it."""

from types import ModuleType

import pyarrow as pa

from schemas.config import SourceKind, split_source
from schemas.errors import RequestError
from workers.bars.sources import csv, parquet, sample

SOURCES: dict[SourceKind, ModuleType] = {SourceKind.SAMPLE: sample, SourceKind.CSV: csv, SourceKind.PARQUET: parquet}


def known_symbols(source: str, interval: str, wanted: tuple[str, ...]) -> list[str]:
    """`wanted`, or every symbol of the source; RequestError names the first that the source does not have."""
    kind, folder = split_source(source)
    available: list[str] = SOURCES[kind].symbols(folder, interval)
    for symbol in wanted:
        if symbol not in available:
            some = ", ".join(available[:5]) + (" …" if len(available) > 5 else "")
            raise RequestError(f"symbol {symbol} is not in {source} at {interval}; it has {len(available)}: {some}")
    return list(wanted) or available


def read_bars(source: str, symbol: str, interval: str, timezone: str) -> pa.Table:
    """All bars of one symbol in stored form; DataError says what is wrong and where."""
    kind, folder = split_source(source)
    table: pa.Table = SOURCES[kind].read(folder, symbol, interval, timezone)
    return table


def adjusts(source: str) -> bool:
    """Whether the source's prices are adjusted for splits and dividends as they are read."""
    return split_source(source)[0] is SourceKind.SAMPLE
