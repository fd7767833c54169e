"""The seam for bar sources: what the registry opens a source with, and what every source can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from schemas.config.interval import Interval
from workers.bars.raw_bars import RawBars

# First and last day, both included.
DaySpan = tuple[date, date]


@dataclass(frozen=True)
class SourceRequest:
    """What a source is opened with; a kind uses the fields that its capabilities are about.

    `folder` (has_folder) is the DIR of `csv:DIR`. `spans` (needs_dates) are the days to fetch. The other fields are for
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


class Source(ABC):
    """Reads bars. Methods raise RequestError for what the user must change in the request.

    `timezone` is the one in which the exchange's days begin. The registry calls the class with a SourceRequest.
    """

    timezone: str

    @abstractmethod
    def symbols(self) -> list[str]:
        """Every name that has bars here, sorted."""

    @abstractmethod
    def read(self, symbol: str) -> RawBars:
        """All rows of one symbol."""

    def check(self, symbols: Sequence[str]) -> None:  # noqa: B027
        """Verify, before a run begins, that a remote source can be used; `symbols` are those of the run."""
