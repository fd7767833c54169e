"""Pick the source that a run asks for, and read symbols from it."""

from types import ModuleType

import numpy as np
import pyarrow as pa

from schemas.config import SourceKind, split_source
from schemas.errors import DataError, RequestError
from schemas.names import is_symbol
from workers.bars.sources import csv, parquet, sample

DAY_MINUTES = 1440
INTERVAL_MINUTES = {"1minute": 1, "5minute": 5, "30minute": 30, "1day": DAY_MINUTES}

SOURCES: dict[SourceKind, ModuleType] = {SourceKind.SAMPLE: sample, SourceKind.CSV: csv, SourceKind.PARQUET: parquet}


def known_symbols(source: str, interval: str, wanted: tuple[str, ...]) -> list[str]:
    """`wanted`, or every symbol of the source; RequestError names the first that the source does not have."""
    available = [name for name in _names(source, interval) if is_symbol(name)]
    for symbol in wanted:
        if symbol not in available:
            some = ", ".join(available[:5]) + (" …" if len(available) > 5 else "")
            raise RequestError(f"symbol {symbol} is not in {source} at {interval}; it has {len(available)}: {some}")
    return list(wanted) or available


def passed_over(source: str, interval: str) -> list[str]:
    """Names in the source's folder that have files but cannot be symbols, such as lists and notes beside the bars."""
    return [name for name in _names(source, interval) if not is_symbol(name)]


def _names(source: str, interval: str) -> list[str]:
    kind, folder = split_source(source)
    names: list[str] = SOURCES[kind].symbols(folder, interval)
    return names


def read_bars(source: str, symbol: str, interval: str, timezone: str) -> pa.Table:
    """All bars of one symbol in stored form; DataError says what is wrong and where."""
    kind, folder = split_source(source)
    try:
        table: pa.Table = SOURCES[kind].read(folder, symbol, interval, timezone)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{symbol} of {source} cannot be read: {' '.join(str(error).split())}") from None
    _check_spacing(table, symbol, interval, source)
    return table


def _check_spacing(table: pa.Table, symbol: str, interval: str, source: str) -> None:
    """DataError if the middle one of the steps between bars is not `interval`."""
    if len(table) < 2:
        return
    step = float(np.median(np.diff(np.asarray(table["timestamp"].cast(pa.int64()))))) / 60e6
    wanted = INTERVAL_MINUTES[interval]
    # Days may be few a week; minutes follow each other.
    if not 0.9 * wanted <= step <= (1.1 if wanted < DAY_MINUTES else 5) * wanted:
        raise DataError(f"{symbol} of {source} has bars {step:g} minutes apart, not {interval}; set --interval")


def adjusts(source: str) -> bool:
    """Whether the source's prices are adjusted for splits and dividends as they are read."""
    return split_source(source)[0] is SourceKind.SAMPLE
