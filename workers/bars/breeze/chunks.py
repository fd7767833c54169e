"""A vendor's replies on disk, kept until a symbol is stored, so that a killed ingest requests nothing twice."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.files.atomic import write_atomic

DAY = timedelta(days=1)

# A row as the vendor wrote it: text by column.
Row = dict[str, str | None]


@dataclass(frozen=True)
class Chunk:
    """The days of one request, from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many calendar days it spans."""
        return (self.last - self.first).days + 1

    def halves(self) -> tuple["Chunk", "Chunk"]:
        """The two parts of a chunk of at least two days."""
        middle = self.first + DAY * (self.days // 2)
        return Chunk(self.first, middle - DAY), Chunk(middle, self.last)

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def tile(spans: Sequence[tuple[date, date]], days: int) -> list[Chunk]:
    """Chunks of at most `days` days that cover every day of every span once. Close spans share a chunk."""
    chunks: list[Chunk] = []
    for first, last in sorted(spans):
        if chunks:
            first = max(first, chunks[-1].last + DAY)
            if first <= last < chunks[-1].first + DAY * days:
                chunks[-1] = Chunk(chunks[-1].first, last)
                continue
        while first <= last:
            chunks.append(Chunk(first, min(last, first + DAY * (days - 1))))
            first = chunks[-1].last + DAY
    return chunks


@dataclass(frozen=True)
class ChunkStore:
    """One Parquet file per chunk, named by symbol, interval and days; written completely or not at all."""

    folder: Path
    columns: tuple[str, ...]

    def read(self, symbol: str, interval: str, chunk: Chunk) -> list[Row] | None:
        """The stored rows; None if the chunk was not fetched yet, or its file is damaged."""
        path = self._path(symbol, interval, chunk)
        if not path.is_file():
            return None
        try:
            rows: list[Row] = pq.read_table(path, columns=list(self.columns)).to_pylist()
        except (pa.ArrowException, OSError):
            return None
        return rows

    def write(self, symbol: str, interval: str, chunk: Chunk, rows: list[Row]) -> None:
        """Store a chunk's rows, which may be none."""
        schema = pa.schema([(name, pa.string()) for name in self.columns])
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), content)
        write_atomic(self._path(symbol, interval, chunk), content.getvalue())

    def _path(self, symbol: str, interval: str, chunk: Chunk) -> Path:
        return self.folder / f"{symbol}_{interval}_{chunk.first}_{chunk.last}.parquet"
