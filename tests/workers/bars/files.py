"""Files of bars for the tests: five good minutes in every form that files have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from schemas.config.interval import Interval
from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.clean import clean, to_table
from workers.bars.files.csv import CsvFolder
from workers.bars.files.parquet import ParquetFolder
from workers.bars.raw_bars import CleanBars, RawBars
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest

KOLKATA = timezone(timedelta(hours=5, minutes=30))
ZONE = "Asia/Kolkata"
HEADER = ("timestamp", *COLUMNS)
SYMBOL = "M&M"

# Five minutes of a session, in UTC, with their prices and volume as a file has them.
TIMES = [datetime(2024, 1, 1, 3, 45, tzinfo=UTC) + timedelta(minutes=i) for i in range(5)]
VALUES = [
    ("100.5", "101.25", "99.75", "100.9", "1200"),
    ("100.9", "102", "100.9", "101.85", "0"),
    ("101.8", "101.8", "100.1", "100.15", "350.5"),
    ("100.15", "100.15", "100.15", "100.15", "1e3"),
    ("100.2", "103.333", "100.2", "103", "99"),
]
FORMS = ("naive", "Z", "+05:30")

Row = Sequence[str]


def stamped(form: str) -> list[str]:
    """TIMES as a file writes them: with the offset of Kolkata, without any, or in UTC with a Z."""
    if form == "Z":
        return [f"{time:%Y-%m-%dT%H:%M:%S}Z" for time in TIMES]
    local = [time.astimezone(KOLKATA) for time in TIMES]
    if form == "naive":
        return [f"{time:%Y-%m-%d %H:%M:%S}" for time in local]
    return [time.isoformat() for time in local]


def rows(form: str = "naive") -> list[list[str]]:
    """The good file's rows."""
    return [[time, *values] for time, values in zip(stamped(form), VALUES, strict=True)]


def write_csv(path: Path, lines: Sequence[Row], header: Row = HEADER) -> Path:
    """A plain CSV file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(line) + "\n" for line in [header, *lines]))
    return path


def written(folder: Path, lines: Sequence[Row], header: Row = HEADER) -> Path:
    """The only CSV file of `M&M` in `folder`."""
    return write_csv(folder / f"{SYMBOL}.csv", lines, header)


def read(folder: Path, symbol: str = SYMBOL, zone: str = ZONE, interval: Interval = "1minute") -> CleanBars:
    """One symbol of a folder of CSV files, cleaned."""
    return clean(CsvFolder(SourceRequest(str(folder), interval, zone)).read(symbol), zone)


def read_parquet(folder: Path, symbol: str = SYMBOL, zone: str = ZONE, interval: Interval = "1minute") -> CleanBars:
    """One symbol of a folder of Parquet files, cleaned."""
    return clean(ParquetFolder(SourceRequest(str(folder), interval, zone)).read(symbol), zone)


def table(bars: CleanBars) -> pa.Table:
    """The stored form of bars that are not adjusted."""
    return to_table(bars.series, np.ones(len(bars.series)))


def good_table(kept: Sequence[int] = range(5)) -> pa.Table:
    """The stored form of the good rows, or some of them, made without a file."""
    times = np.array([TIMES[row].timestamp() * 1e6 for row in kept], dtype=np.int64)
    numbers = np.array([VALUES[row] for row in kept], dtype=np.float64).T
    values = dict(zip(COLUMNS, numbers, strict=True))
    return table(clean(RawBars(times, values, lambda row: f"row {row}"), ZONE))


def only(bars: CleanBars, check: Check, verdict: Verdict = Verdict.REJECT) -> Finding:
    """The only finding of bars, which must be of `check`."""
    (finding,) = bars.findings
    assert (finding.check, finding.verdict) == (check, verdict)
    return finding


@dataclass(frozen=True)
class Style:
    """How one CSV file is written."""

    order: tuple[int, ...] = tuple(range(6))
    line_end: str = "\n"
    quote: bool = False
    mark: bool = False
    capitals: bool = False
    note: str | None = None
    last_end: bool = True

    def write(self, path: Path, lines: Sequence[Row], blanks: Sequence[int]) -> list[int]:
        """Write the rows, with an empty line before each of `blanks`; return the line on which each row begins."""
        header = [name.title() if self.capitals else name for name in HEADER]
        out, starts, line = [self._line([*header, *(["Note"] if self.note is not None else [])])], [], 2
        for number, cells in enumerate(lines):
            out += [""] * blanks.count(number)
            line += blanks.count(number)
            starts.append(line)
            out.append(self._line([*cells, *([self.note] if self.note is not None else [])]))
            line += 1 + (self.note or "").count("\n")
        text = self.line_end.join(out) + (self.line_end if self.last_end else "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((b"\xef\xbb\xbf" if self.mark else b"") + text.encode())
        return starts

    def _line(self, cells: Sequence[str]) -> str:
        ordered = [cells[place] for place in self.order] + list(cells[6:])
        return ",".join(f'"{cell}"' if self.quote or "\n" in cell or "," in cell else cell for cell in ordered)


STYLES = st.builds(
    Style,
    order=st.one_of(st.just(tuple(range(6))), st.permutations(range(6)).map(tuple)),
    line_end=st.sampled_from(["\n", "\n", "\r\n"]),
    quote=st.booleans(),
    mark=st.booleans(),
    capitals=st.booleans(),
    note=st.sampled_from([None, None, "", "a, b", "two\nlines"]),
    last_end=st.booleans(),
)
