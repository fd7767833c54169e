"""Measures what training costs: CPU and memory of one process that does a slot's tasks, on random walks.

    python -m benchmarks.training                                              # 36 symbols, 7 windows, each setup
    python -m benchmarks.training --setups panel --symbols 500 --bars 2500 --windows 2

Bars are stored in a temporary folder. Each setup is trained by a process of its own, by the tasks that a run sends to a
worker: bars are read, models stored, and a student reads its teacher back.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.markets import Market, walks
from benchmarks.train_windows import SETUPS, settings_of, windows_of
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.task import Role, WindowTask
from schemas.files.atomic import sha256_of
from schemas.files.layout import BarsLayout
from workers.bars import store
from workers.bars.clean import to_table
from workers.handlers.train import train_student, train_teacher
from workers.learning.skip import Skip

INTERVAL = "1day"
STEP_DAYS = 180
MIB = 1024  # resource reports kibibytes on Linux
TRAIN = {Role.TEACHER: train_teacher, Role.STUDENT: train_student}


def store_walks(data_dir: Path, symbols: int, bars: int) -> None:
    """Store the bars of generated symbols."""
    layout = BarsLayout.under(data_dir, INTERVAL)
    layout.folder.mkdir(parents=True)
    for symbol, series in walks(np.random.default_rng(0), symbols, bars).bars.items():
        layout.bars(symbol).write_bytes(store.encode(to_table(series, np.ones(len(series)))))


def train(setup: str, data_dir: Path, windows: int) -> None:
    """Train the last `windows` windows of the stored symbols, and print what each kind of task took."""
    paths = sorted(BarsLayout.under(data_dir, INTERVAL).folder.glob("*.parquet"))
    digests = {path.stem: sha256_of(path) for path in paths}
    # All have the days of the first; the others are read by the tasks.
    market = Market(dict.fromkeys(digests, store.load(paths[0], digests[paths[0].stem])), np.empty(0))
    settings = settings_of(market, setup)
    cpu_s: dict[Role, list[float]] = {role: [] for role in TRAIN}
    for together in list(windows_of(market, STEP_DAYS))[-windows:]:
        for role, scope in ((Role.TEACHER, settings.scope), (Role.STUDENT, settings.scope_of_students)):
            for window in {each.label: each for each in (each.in_scope(scope) for each in together)}.values():
                task = WindowTask(run_id="benchmark", role=role, window=window, settings=settings, bars=digests)
                began = time.process_time()
                with suppress(Skip):
                    TRAIN[role](task, data_dir)
                    cpu_s[role].append(time.process_time() - began)
    for role, each in cpu_s.items():
        print(f"  {len(each):4} {role}s {sum(each):8.1f} s of CPU {1e3 * np.median(each):10.1f} ms each (median)")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    print(f"  imports {time.process_time() - sum(map(sum, cpu_s.values())):.1f} s, {most:.0f} MiB at most", flush=True)


def main() -> None:
    """Train in each setup, one process after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setups", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--symbols", type=int, default=36)
    parser.add_argument("--bars", type=int, default=1260)
    parser.add_argument("--windows", type=int, default=7)
    parser.add_argument("--stored", type=Path, help="folder of stored bars, to train in this process")
    asked = parser.parse_args()
    if asked.stored is not None:
        train(asked.setups[0], asked.stored, asked.windows)
        return
    device = Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1, memory_mib=0).model_dump_json()
    environment = os.environ | {"OMP_NUM_THREADS": "1", DEVICE_ENV: device}
    for setup in asked.setups:
        print(f"{setup}: {asked.symbols} symbols of {asked.bars} bars", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            store_walks(Path(folder), asked.symbols, asked.bars)
            command = [sys.executable, "-m", "benchmarks.training", "--setups", setup, "--stored", folder]
            subprocess.run([*command, f"--windows={asked.windows}"], env=environment, check=True)


if __name__ == "__main__":
    main()
