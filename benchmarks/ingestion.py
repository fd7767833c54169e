"""Times `orchestrator ingest` from files to the store: one file per day of 96 symbols, and minute bars of 36.

python -m benchmarks.ingestion
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from schemas.contract.coverage import CoverageTable
from schemas.files.layout import BarsLayout
from workers.bars.calendar import day_number, day_of, open_calendar

HEADER = "timestamp,open,high,low,close,volume\n"
FIRST = date(2022, 1, 1)
DAILY_SYMBOLS, DAYS = 96, 947
MINUTE_SYMBOLS, MINUTES = 36, 281_000
MINUTE_US, KOLKATA_S = 60 * 10**6, 19_800
MIB = 2**20


def main() -> None:
    """Measure and print the table."""
    print("| what | rows | files | whole command | rows per second | largest process |")
    print("|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        days, minutes = Path(folder) / "days", Path(folder) / "minutes"
        write_days(days)
        print(measured("one file per day", days, "1day", DAILY_SYMBOLS * DAYS), flush=True)
        write_minutes(minutes)
        print(measured("minute bars", minutes, "1minute", MINUTE_SYMBOLS * MINUTES), flush=True)


def measured(what: str, folder: Path, interval: str, rows: int) -> str:
    """Ingest a folder in a separate process and return its row of the table."""
    files = sum(1 for _ in folder.rglob("*.csv"))
    cwd = folder.with_name(f"{folder.name}-stored")
    cwd.mkdir()
    command = [sys.executable, "-m", "orchestrator", "ingest", "--source", f"csv:{folder}", "--interval", interval]
    began = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / MIB
    table = CoverageTable.model_validate_json(BarsLayout.under(cwd / "data", interval).coverage.read_bytes())
    assert sum(row.bars for row in table.symbols.values()) == rows
    return f"| {what} | {rows:,} | {files:,} | {seconds:.1f} s | {rows / seconds:,.0f} | {peak:.0f} MiB |"


def write_days(folder: Path) -> None:
    """Write `SYMBOL/1day/YYYY-MM-DD.csv`, one row per file."""
    days = [day_of(day) for day in open_calendar("NSE").sessions(FIRST, date(2026, 1, 1))][:DAYS]
    for number in range(DAILY_SYMBOLS):
        rng = np.random.default_rng(number)
        own = folder / f"SYM{number:02}" / "1day"
        own.mkdir(parents=True)
        for day, price in zip(days, 100 * np.exp(np.cumsum(rng.normal(0, 0.015, DAYS))), strict=True):
            row = f"{price:.2f},{price * 1.01:.2f},{price * 0.99:.2f},{price:.2f},{rng.integers(1000, 99999)}"
            (own / f"{day}.csv").write_text(f"{HEADER}{day}T00:00:00+05:30,{row}\n")


def write_minutes(folder: Path) -> None:
    """Write `SYMBOL/1minute/bars.csv` with all minutes of NSE's regular sessions."""
    hours = open_calendar("NSE").regular
    chosen = hours.session >= day_number(FIRST)
    spans = zip(hours.open[chosen], hours.close[chosen], strict=True)
    instants = np.concatenate([np.arange(begin, end, MINUTE_US) for begin, end in spans])[:MINUTES]
    local = (instants // 10**6 + KOLKATA_S).astype("datetime64[s]")
    stamps = np.char.add(np.datetime_as_string(local), "+05:30")
    for number in range(MINUTE_SYMBOLS):
        rng = np.random.default_rng(number)
        close = np.round(500 * np.exp(np.cumsum(rng.normal(0, 0.0004, MINUTES))), 2)
        opening = np.round(close * (1 + rng.normal(0, 0.0002, MINUTES)), 2)
        columns = {
            "timestamp": stamps,
            "open": opening,
            "high": np.round(np.maximum(opening, close) * 1.0003, 2),
            "low": np.round(np.minimum(opening, close) * 0.9997, 2),
            "close": close,
            "volume": rng.integers(100, 9999, MINUTES),
        }
        path = folder / f"SYM{number:02}" / "1minute" / "bars.csv"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.write(HEADER.encode())
            arrow_csv.write_csv(
                pa.table(columns), file, arrow_csv.WriteOptions(include_header=False, quoting_style="none")
            )


if __name__ == "__main__":
    main()
