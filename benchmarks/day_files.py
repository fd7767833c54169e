"""Seconds that `ingest` needs for one bhavcopy per day of all symbols: `python -m benchmarks.day_files FOLDER`."""

import argparse
import json
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

HEADER = "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,\n"


def write(folder: Path, days: int, symbols: int) -> int:
    """Write the files of as many weekdays; return their bytes."""
    rng = np.random.default_rng(7)
    close = rng.uniform(50, 3000, symbols)
    day, size = date(2017, 1, 2), 0
    for _ in range(days):
        before, close = close, close * np.exp(rng.normal(0, 0.015, symbols))
        high, low = np.maximum(before, close) * 1.004, np.minimum(before, close) * 0.996
        volume = rng.integers(1000, 10**6, symbols)
        stamp = f"{day:%d-%b-%Y}".upper()
        rows = [
            f"S{number:04},EQ,{a:.2f},{b:.2f},{c:.2f},{d:.2f},{d:.2f},{a:.2f},{v},{v * d:.2f},{stamp},99,INE{number},\n"
            for number, (a, b, c, d, v) in enumerate(zip(before, high, low, close, volume, strict=True))
        ]
        text = "".join([HEADER, *rows, f"GS2030,GS,,,,,,,,,{stamp},1,IN1,\n"])
        (folder / f"cm{day:%d%b%Y}bhav.csv".upper().replace(".CSV", ".csv")).write_text(text, encoding="utf-8")
        size += len(text)
        day += timedelta(days=3 if day.weekday() == 4 else 1)
    return size


def main() -> None:
    """Write the files, ingest them, and print the seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder for the files and the bars")
    parser.add_argument("--days", type=int, default=1700, help="number of files")
    parser.add_argument("--symbols", type=int, default=1900, help="symbols per file")
    arguments = parser.parse_args()
    source = arguments.folder / "bhavcopy"
    source.mkdir(parents=True)
    size = write(source, arguments.days, arguments.symbols)
    began = time.perf_counter()
    command = [
        "ingest",
        "--source",
        f"csv:{source}",
        "--data-dir",
        str(arguments.folder / "data"),
        "--calendar",
        "none",
    ]
    logs = ["--log-dir", str(arguments.folder / "logs")]
    subprocess.run([sys.executable, "-m", "orchestrator", *command, *logs], check=True, stdout=subprocess.DEVNULL)
    print(json.dumps({"files": arguments.days, "mb": size >> 20, "seconds": round(time.perf_counter() - began, 1)}))


if __name__ == "__main__":
    main()
