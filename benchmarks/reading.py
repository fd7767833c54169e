"""Measures rows per second from CSV files to bars in memory, against pandas, and memory for one symbol of a big file.

    python -m benchmarks.reading

Both readers are timed alternately, `REPETITIONS` times; the best of each is printed. Files are in the page cache.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from workers.bars.files.csv import CsvFolder
from workers.bars.sources.source_protocol import SourceRequest

MINUTES = 375  # of a session of India's exchanges
ROWS = 281_000
DAYS = 947
BIG_ROWS = 5_000_000
BIG_SYMBOLS = 100
REPETITIONS = 7
ZONE = "Asia/Kolkata"
HEADER = "timestamp,open,high,low,close,volume\n"

Read = Callable[[], object]


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{'':34}{'rows':>10}{'pandas rows/s':>16}{'ours rows/s':>14}{'ratio':>8}")
        for form, offset in (("offset stamps", "+05:30"), ("naive stamps", "")):
            path = folder / form / "A.csv"
            path.parent.mkdir()
            path.write_text(HEADER + "".join(lines(ROWS, offset)))
            compare(f"one file, {form}", ROWS, partial(pandas_one, path), path.parent)
        for form, offset in (("offset stamps", "+05:30"), ("naive stamps", "")):
            days = write_days(folder / f"days, {form}", offset)
            rows = len(days) * MINUTES
            compare(f"{DAYS} files, {form}", rows, partial(pandas_many, days), folder / f"days, {form}")
        big_file(folder / "big.csv")


def compare(name: str, rows: int, pandas: Read, folder: Path) -> None:
    """Time both readers and print one line of the table."""

    def ours() -> None:
        assert len(CsvFolder(SourceRequest(str(folder), "1minute", ZONE)).read("A")) == rows

    best = {pandas: np.inf, ours: np.inf}
    for _ in range(REPETITIONS):
        for read in best:
            begun = time.perf_counter()
            read()
            best[read] = min(best[read], time.perf_counter() - begun)
    print(f"{name:34}{rows:>10,}{rows / best[pandas]:>16,.0f}{rows / best[ours]:>14,.0f}", end="")
    print(f"{best[pandas] / best[ours]:>7.1f}x", flush=True)


def pandas_one(path: Path) -> pd.DataFrame:
    """Read one file with pandas, in the simplest way."""
    return pd.read_csv(path, parse_dates=["timestamp"])


def pandas_many(paths: list[Path]) -> pd.DataFrame:
    """Read one file per day with pandas."""
    return pd.concat([pandas_one(path) for path in paths])


def big_file(path: Path) -> None:
    """Print time and memory of reading one symbol from a file of many symbols, in a separate process."""
    with path.open("w") as file:
        file.write("symbol," + HEADER)
        for line in lines(BIG_ROWS // BIG_SYMBOLS, "+05:30"):
            file.write("".join([f"S{number:03},{line}" for number in range(BIG_SYMBOLS)]))
    context = multiprocessing.get_context("spawn")
    size = path.stat().st_size / 1e6
    for what in ("symbols", "read"):
        with context.Pool(1) as pool:
            seconds, before, after = pool.apply(measure, (path, what))
        print(f"big file of {BIG_ROWS:,} rows, {size:,.0f} MB, {what}: {seconds:.1f} s, {after:.0f} MB", end="")
        print(f" at most, {before:.0f} MB before")


def measure(path: Path, what: str) -> tuple[float, float, float]:
    """Return the seconds taken, and the peak memory of this process in MB before and after."""
    before = peak_mb()
    begun = time.perf_counter()
    source = CsvFolder(SourceRequest(str(path), "1minute", ZONE))
    if what == "symbols":
        assert len(source.symbols()) == BIG_SYMBOLS
    elif what == "read":
        assert len(source.read("S042")) == BIG_ROWS // BIG_SYMBOLS
    return time.perf_counter() - begun, before, peak_mb()


def peak_mb() -> float:
    """Return the peak memory of this process in MB. On Linux getrusage would include the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def write_days(folder: Path, offset: str) -> list[Path]:
    """Write `DAYS` files of one symbol, one per day."""
    home = folder / "A" / "1minute"
    home.mkdir(parents=True)
    every = lines(DAYS * MINUTES, offset)
    paths = []
    for first in range(0, len(every), MINUTES):
        path = home / f"{every[first][:10]}.csv"
        path.write_text(HEADER + "".join(every[first : first + MINUTES]))
        paths.append(path)
    return paths


def lines(rows: int, offset: str) -> list[str]:
    """Return the CSV lines of a minute history, without a symbol column."""
    rng = np.random.default_rng(0)
    close = np.abs(1000 + np.cumsum(rng.normal(0.0, 0.2, rows))) + 1
    volume = rng.integers(0, 100_000, rows).tolist()
    opening = datetime(2020, 1, 1, 9, 15)
    out = []
    for row, price in enumerate(close.tolist()):
        stamp = opening + timedelta(days=row // MINUTES, minutes=row % MINUTES)
        cells = f"{price:.2f},{price + 0.35:.2f},{price - 0.35:.2f},{price + 0.1:.2f},{volume[row]}"
        out.append(f"{stamp}{offset},{cells}\n")
    return out


if __name__ == "__main__":
    main()
