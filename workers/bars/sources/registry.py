"""Open the source that a request asks for, and find symbols in it."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from schemas.config.run import BarsSettings, Interval, SourceKind, split_source
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import is_symbol
from workers.bars.files.csv import CsvFolder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.sources.sample import Sample
from workers.bars.sources.source_protocol import Source

# First and last day, both inclusive.
DaySpan = tuple[date, date]


def open_folder(source: str, interval: Interval, timezone: str) -> Source:
    """The source of bars that are on this host; RequestError if its folder is missing or empty."""
    kind, folder = split_source(source)
    if kind is SourceKind.SAMPLE:
        return Sample(interval)
    return (CsvFolder if kind is SourceKind.CSV else ParquetFolder)(folder, interval, timezone)


def open_source(
    settings: BarsSettings, spans: Sequence[DaySpan], chunks: Path, acquire: Callable[[], object]
) -> Source:
    """The source to store bars from. One that is fetched asks for `spans` alone, keeps what it got in `chunks`."""
    if split_source(settings.source)[0] is not SourceKind.BREEZE:
        return open_folder(settings.source, settings.interval, settings.timezone)
    from workers.bars.breeze.source import Breeze

    secrets = Path(settings.secrets_file) if settings.secrets_file else None
    return Breeze(settings.interval, settings.timezone, spans, chunks, acquire, secrets)


def known_symbols(names: Sequence[str], source: str, interval: Interval, wanted: Sequence[str]) -> list[str]:
    """`wanted`, or every one of the source's `names`; RequestError says which the source does not have."""
    available = [each for each in names if is_symbol(each)]
    for symbol in wanted:
        if symbol not in available:
            some = ", ".join(available[:5]) + (" …" if len(available) > 5 else "")
            raise RequestError(f"symbol {symbol} is not in {source} at {interval}; it has {len(available)}: {some}")
    return list(wanted) or available
