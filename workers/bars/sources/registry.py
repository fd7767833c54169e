"""Opens the source that `--source` names. The kinds and their capabilities are in `schemas.config.sources`."""

import importlib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from schemas.config.bars import BarsSettings
from schemas.config.file_options import FileOptions
from schemas.config.interval import Interval
from schemas.config.sources import split_source
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import is_symbol
from workers.bars.sources.source_protocol import DaySpan, Source, SourceRequest


def open_folder(
    source: str, interval: Interval, timezone: str, options: FileOptions | None = None, scratch: Path | None = None
) -> Source:
    """Open a source whose bars are on this host; RequestError if it cannot be used."""
    folder = split_source(source)[1]
    return _open(source, SourceRequest(folder, interval, timezone, options=options or FileOptions(), scratch=scratch))


def open_source(
    settings: BarsSettings, spans: Sequence[DaySpan], chunk_folder: Path, acquire: Callable[[], object],
    scratch: Path | None = None,
) -> Source:  # fmt: skip
    """Open the source of an ingestion; RequestError if it cannot be used. The arguments are those of SourceRequest."""
    folder = split_source(settings.source)[1]
    secrets = Path(settings.secrets_file) if settings.secrets_file else None
    options = FileOptions(**{name: getattr(settings, name) for name in FileOptions.model_fields})
    request = SourceRequest(
        folder, settings.interval, settings.timezone, spans, chunk_folder, acquire, secrets, options, scratch
    )
    return _open(settings.source, request)


def known_symbols(names: Sequence[str], source: str, interval: Interval, wanted: Sequence[str]) -> list[str]:
    """`wanted`, or all of the source's `names` if it is empty; RequestError names a symbol that the source lacks."""
    available = [each for each in names if is_symbol(each)]
    for symbol in wanted:
        if symbol not in available:
            near = get_close_matches(symbol, available, 3)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            some = ", ".join(available[:5]) + (f" and {len(available) - 5} more" if len(available) > 5 else "")
            raise RequestError(f"symbol {symbol} is not in {source} at {interval}, which has {some}{meant}")
    if not available:
        rule = "1 to 32 letters, digits, & . ^ = -, the first a letter, digit or ^"
        raise RequestError(f"no name in {source} can be a symbol, the first is {names[0]!r}; rename it to {rule}")
    return list(wanted) or available


def _open(source: str, request: SourceRequest) -> Source:
    """Imported only here, so that a worker loads the libraries of the kind that it reads and of no other."""
    module, _, name = split_source(source)[0].reader.partition(":")
    reader: Callable[[SourceRequest], Source] = getattr(importlib.import_module(module), name)
    return reader(request)
