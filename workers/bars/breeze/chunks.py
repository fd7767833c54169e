"""A vendor's replies kept on disk until a symbol is stored, so that a killed ingest asks for nothing twice."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.files.atomic import write_atomic

DAY = timedelta(days=1)

# A row as the vendor wrote it, one text a column.
Row = dict[str, str | None]


@dataclass(frozen=True)
class Chunk:
    """What one request asks for: the days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def halves(self) -> tuple["Chunk", "Chunk"]:
        """Both parts of a chunk of two days or more."""
        middle = self.first + DAY * (self.days // 2)
        return Chunk(self.first, middle - DAY), Chunk(middle, self.last)

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


def tile(spans: Sequence[tuple[date, date]], days: int) -> list[Chunk]:
    """Chunks of at most `days` days that hold every day of every span once; spans that lie close together share one."""
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
    """One Parquet file a chunk, named by symbol, interval and days; written whole or not at all."""

    folder: Path
    columns: tuple[str, ...]

    def read(self, symbol: str, interval: str, chunk: Chunk) -> list[Row] | None:
        """The rows stored; None if the chunk was not fetched yet, or its file is damaged."""
        path = self._path(symbol, interval, chunk)
        if not path.is_file():
            return None
        try:
            rows: list[Row] = pq.read_table(path, columns=list(self.columns)).to_pylist()
        except (pa.ArrowException, OSError):
            return None
        return rows

    def write(self, symbol: str, interval: str, chunk: Chunk, rows: list[Row]) -> None:
        """Keep a chunk's rows, of which there may be none."""
        schema = pa.schema([(name, pa.string()) for name in self.columns])
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema), content)
        write_atomic(self._path(symbol, interval, chunk), content.getvalue())

    def _path(self, symbol: str, interval: str, chunk: Chunk) -> Path:
        return self.folder / f"{symbol}_{interval}_{chunk.first}_{chunk.last}.parquet"
