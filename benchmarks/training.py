"""Measures what training costs: CPU, wall time and memory of one process that trains windows of random walks.

    python -m benchmarks.training                                              # 36 symbols, 7 windows, each setup
    python -m benchmarks.training --setups "panel teacher, symbol students" --symbols 500 --bars 2500 --windows 1

Each setup is trained in a process of its own, as one slot of a device would; nothing is written.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import numpy as np

from benchmarks.markets import walks
from benchmarks.train_windows import SETUPS, settings_of, students_of, windows_of
from workers.learning.history import prepare_panel

STEP_DAYS = 180
MIB = 1024  # resource reports kibibytes on Linux


class Meter:
    """Prints the CPU and wall time of each stage, and the largest memory of the process so far."""

    def __init__(self) -> None:
        self._began = time.process_time(), time.perf_counter()

    def stage(self, name: str) -> None:
        """Print the stage that ended now."""
        cpu, wall = time.process_time() - self._began[0], time.perf_counter() - self._began[1]
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
        print(f"  {name:44} {cpu:7.1f} s of CPU {wall:7.1f} s   {most:6.0f} MiB at most", flush=True)
        self._began = time.process_time(), time.perf_counter()


def train(setup: str, symbols: int, bars: int, windows: int) -> None:
    """Train the last `windows` windows of generated symbols, and print each stage."""
    meter = Meter()
    meter.stage("libraries")
    market = walks(np.random.default_rng(0), symbols, bars)
    settings = settings_of(market, setup)
    meter.stage("bars")
    histories = prepare_panel(market.bars, settings)
    meter.stage("features and labels")
    spans = list(windows_of(market, STEP_DAYS))[-windows:]
    trained = sum(len(list(students_of(histories, each, settings))) for each in spans)
    meter.stage(f"{len(spans)} windows, {trained} students")


def main() -> None:
    """Train in each setup, one process after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setups", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--symbols", type=int, default=36)
    parser.add_argument("--bars", type=int, default=1260)
    parser.add_argument("--windows", type=int, default=7)
    parser.add_argument("--here", action="store_true", help="train in this process: what the others are started with")
    asked = parser.parse_args()
    if asked.here:
        train(asked.setups[0], asked.symbols, asked.bars, asked.windows)
        return
    sizes = [f"--{name}={getattr(asked, name)}" for name in ("symbols", "bars", "windows")]
    for setup in asked.setups:
        print(f"{setup}: {asked.symbols} symbols of {asked.bars} bars", flush=True)
        command = [sys.executable, "-m", "benchmarks.training", "--here", "--setups", setup, *sizes]
        subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)


if __name__ == "__main__":
    main()
