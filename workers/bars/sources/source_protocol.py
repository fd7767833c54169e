"""The interface of bar sources: the request that opens a source, and the protocol that every source implements."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from schemas.config.file_options import FileOptions
from schemas.config.interval import Interval
from workers.bars.raw_bars import RawBars

# First and last day, both included.
DaySpan = tuple[date, date]


@dataclass(frozen=True)
class SourceRequest:
    """Parameters for opening a source; a kind uses only the fields of its capabilities.

    `folder` (has_folder) is the DIR of `csv:DIR`, `options` how its files are written. `scratch` is a folder in which
    files that all symbols of an ingestion share are stored by symbol, so that they are read once; None: one of its own.
    `spans` (needs_dates) are the days to fetch. The other fields are for
    is_remote: `acquire` blocks until the next request to the vendor may be sent, and replies are kept in `chunk_folder`
    so that an ingest that was killed can continue.
    """

    folder: str
    interval: Interval
    timezone: str
    spans: Sequence[DaySpan] = ()
    chunk_folder: Path = Path()
    acquire: Callable[[], object] = lambda: None
    secrets_file: Path | None = None
    options: FileOptions = field(default_factory=FileOptions)
    scratch: Path | None = None


class Source(ABC):
    """Reads bars. Methods raise RequestError for errors that the user can correct in the request.

    `timezone` is the one in which the exchange's days begin. The registry calls the class with a SourceRequest.
    """

    timezone: str

    @abstractmethod
    def symbols(self) -> list[str]:
        """Every name that has bars here, sorted."""

    @abstractmethod
    def read(self, symbol: str) -> RawBars:
        """All rows of one symbol."""

    def understood(self) -> list[str]:
        """Sentences on the formats that were recognised, and on symbols that stand for other names."""
        return []

    def check(self, symbols: Sequence[str]) -> None:  # noqa: B027
        """Verify, before a run begins, that a remote source can be used; `symbols` are those of the run."""
