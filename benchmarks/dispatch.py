"""Measures the cost of dispatch: many windows without work, and many devices with windows of one second.

    python -m benchmarks.dispatch [--windows 10000] [--seconds-windows 320]

Real broker, `workers start`, ledger, claims and telemetry; only the training is left out. Prints a Markdown table.
"""

import argparse
import sys
import tempfile
import threading
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil

from benchmarks.gurukul import dispatch, fleet
from benchmarks.work import make_windows
from orchestrator.ledger.ledger import Ledger
from orchestrator.planning.windows import plan
from schemas.config.run import RunConfig
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.quality import Verdict
from schemas.contract.task import Role

MIB = 2**20
WARM_WINDOWS = 100
SIMULATED_DEVICES = 16
FIRST_DAY, DAYS = date(2000, 1, 1), 9000


class Memory:
    """Resident memory of this process, sampled while a block runs."""

    def __enter__(self) -> "Memory":
        self.samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.1):
            self.samples.append(process.memory_info().rss / MIB)


def coverage_of(symbol: str, first: date, last: date) -> Coverage:
    """Coverage of daily bars without a fault."""
    bars = (last - first).days * 5 // 7
    return Coverage(
        symbol=symbol, interval="1day", bars=bars, sessions=bars, sessions_expected=None, gaps=(),
        most_bars_a_session=1, weekdays=(0, 1, 2, 3, 4), special_sessions=(), first=first, last=last,
        source="csv:bars", adjusted=True, sha256="0" * 64, fetched=datetime.now(UTC), verdict=Verdict.OK, findings=(),
    )  # fmt: skip


def plan_seconds(windows: int) -> float:
    """Return the seconds that planning at least `windows` windows over 100 symbols takes."""
    symbols = tuple(f"SYMBOL{number:03}" for number in range(100))
    rows = {symbol: coverage_of(symbol, FIRST_DAY, FIRST_DAY + timedelta(days=DAYS)) for symbol in symbols}
    step = 80
    start = FIRST_DAY + timedelta(days=400)
    end = start + timedelta(days=step * (windows // len(symbols) + 1))
    config = RunConfig(symbols=symbols, start_date=start, end_date=end, window_days=180, step_days=step)
    began = time.perf_counter()
    planned = plan(config, CoverageTable(symbols=rows))
    seconds = time.perf_counter() - began
    assert len(planned) >= windows, len(planned)
    return seconds


def resume_seconds(path: Path) -> tuple[int, float]:
    """Open a ledger and read its ended and sent work; return the number of its pieces and the seconds taken."""
    began = time.perf_counter()
    with closing(Ledger(path)) as ledger:
        records = list(ledger.records(Role.TEACHER))
        ledger.sent()
    return len(records), time.perf_counter() - began


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.dispatch", description="Measure the cost of dispatch.")
    parser.add_argument("--windows", type=int, default=10_000, help="number of windows without work")
    parser.add_argument("--seconds-windows", type=int, default=320, help="windows of one second")
    parser.add_argument("--devices", type=int, default=SIMULATED_DEVICES, help="simulated devices that share them")
    options = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory(prefix="dispatch-") as name:
        folder = Path(name)
        with fleet(2) as url:
            dispatch(url, make_windows(WARM_WINDOWS, 0, busy=False), folder)
            windows = make_windows(options.windows, 0, busy=False)
            with Memory() as memory:
                began = time.perf_counter()
                dispatch(url, windows, folder, "measured")
                seconds = time.perf_counter() - began
        rate = len(windows) / seconds
        rows.append((f"{len(windows):,} windows without work, 2 devices", f"{rate:,.0f} per second", "250"))
        tenth = memory.samples[len(memory.samples) // 10]
        growth = (
            f"{tenth:.0f} MiB after a tenth, {memory.samples[-1]:.0f} at the end, {max(memory.samples):.0f} at most"
        )
        rows.append(("memory of the orchestrator's process during this", growth, "under 150, flat"))
        print(rows, file=sys.stderr)
        rows.append((f"planning {options.windows:,} windows", f"{plan_seconds(options.windows):.2f} s", "under 1 s"))
        count, seconds = resume_seconds(folder / "measured.db")
        rows.append((f"reading the ledger of {count:,} windows on resume", f"{seconds:.2f} s", "under 1 s"))
        with fleet(options.devices) as url:
            dispatch(url, make_windows(2 * options.devices, 10, busy=False), folder)
            windows = make_windows(options.seconds_windows, 1000, busy=False)
            began = time.perf_counter()
            dispatch(url, windows, folder)
            seconds = time.perf_counter() - began
        ideal = len(windows) / options.devices
        what = f"{len(windows)} windows of 1 s, {options.devices} simulated devices"
        rows.append((what, f"{ideal / seconds:.1%} of ideal ({seconds:.2f} s)", "97 %"))
    print("| what | measured | asked for |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
