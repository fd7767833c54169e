"""Compares a CPU core with a GPU: equal numbers, and the time from bars to a teacher's predictions.

    python benchmarks/gpu.py [--cpu-only] [--minutes 8]

Run it from the checkout. It needs no broker, and only numpy, pandas, pyarrow, scipy, pydantic, cupy and xgboost
(nvidia-ml-py for utilisation and memory). Bars are generated. A cell without a measurement is
"not measured". The exit status is 1 if an indicator differs by more than 1e-9.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, the checkout need not be installed

import numpy as np
import xgboost as xgb

from benchmarks.gpu_device import CPU, Gauge, Side, gauged, why_no_gpu
from benchmarks.gpu_window import (
    HORIZON,
    ROUNDS,
    WINDOW_ROWS,
    Timed,
    best,
    matrix,
    rows_of,
    stacked,
    to_host,
    train,
    walks,
    windows_at_once,
)
from schemas.contract.window import WARMUP_BARS
from workers.features.frame import frame_of
from workers.features.indicators import Array, session_vwap
from workers.features.registry import feature_names, model_features

SIZES = ((1, 123), (1, 1_000), (1, 10_000), (1, 46_000), (32, 50_000))  # symbols, rows per symbol
CONCURRENT_WINDOWS = (1, 2, 4)
PARITY_SIZE = (8, 4_000)
PARITY_ROUNDS = 50
TOLERANCE = 1e-9
FAIL = " FAIL"
NOT_MEASURED = "not measured"
NO_TIME = "no time left"
RESERVE_S = 20.0  # for the concurrent windows, which are measured last
NO_CHANGES: dict[str, object] = {}
SAMPLING_OFF: dict[str, object] = {"subsample": 1.0, "colsample_bytree": 1.0}
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "pydantic", "cupy-cuda12x", "cupy-cuda13x", "nvidia-ml-py")


@dataclass
class Table:
    """The lines of the printed table: name, rows, CPU, GPU, ratio. `deadline`: in `time.monotonic` seconds."""

    deadline: float
    lines: list[str] = field(default_factory=list)

    def head(self, text: str) -> None:
        """Start a section with its column headings."""
        self.lines += ["", f"{text[:44]:<44}{'rows':>10}{'CPU core':>14}{'GPU':>14}{'CPU/GPU':>8}"]

    def line(self, name: str, rows: int, cpu: str, gpu: str, ratio: str = "") -> None:
        """Add a line of finished cells."""
        self.lines.append(f"  {name[:42]:<42}{rows:>10,}{cpu:>14}{gpu:>14}{ratio:>8}".rstrip())

    def times(self, name: str, rows: int, cpu: float | None, gpu: float | None, missing: str) -> None:
        """Add a line of seconds on both devices, with the ratio if both were measured.

        `missing`: the GPU's cell without a measurement.
        """
        ratio = f"{cpu / gpu:.2f}" if cpu is not None and gpu is not None else ""
        cells = [f"{s:.4f} s" if s is not None else why for s, why in ((cpu, NO_TIME), (gpu, missing))]
        self.line(name, rows, cells[0], cells[1], ratio)

    def left_s(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - time.monotonic()


def relative_difference(ours: Array, reference: Array) -> float:
    """Return the largest difference relative to the value, or to the median absolute value if that is larger.

    Infinite if a value is NaN in only one of the two.
    """
    a, b = to_host(ours), to_host(reference)
    known = np.isfinite(b)
    if not np.array_equal(known, np.isfinite(a)):
        return float("inf")
    if not known.any():
        return 0.0
    size = np.abs(b[known])
    scale = np.maximum(size, np.median(size))
    return float((np.abs(a[known] - b[known]) / np.where(scale == 0.0, 1.0, scale)).max())


def indicators_of(side: Side) -> dict[str, Array]:
    """Compute every indicator and every model feature of the parity walks on a device."""
    series = walks(*PARITY_SIZE)
    daily, intraday = (frame_of(stacked(series), intraday, xp=side.xp) for intraday in (False, True))
    features = model_features(intraday)
    f = intraday
    return {
        **daily.raw,
        "session_vwap": session_vwap(f.high, f.low, f.close, f.volume, f.session),
        **{f"feature {name}": features[..., i] for i, name in enumerate(feature_names())},
    }


def indicator_parity(table: Table, gpu: Side | None) -> None:
    """Add each indicator's largest relative difference between GPU and CPU, and the worst feature's."""
    symbols, bars = PARITY_SIZE
    table.head("largest relative difference, at most 1e-9")
    reference = indicators_of(CPU)
    found = indicators_of(gpu) if gpu else {}
    worst = {name: relative_difference(values, reference[name]) for name, values in found.items()}
    features = [name for name in reference if name.startswith("feature ")]
    for name in reference:
        if name not in features:
            table.line(name, symbols * bars, "reference", _judged(worst.get(name)))
    last = max(features, key=lambda name: worst.get(name, 0.0))
    label = f"{len(features)} features" + (f", worst {last.removeprefix('feature ')}" if worst else "")
    table.line(label, symbols * bars, "reference", _judged(worst.get(last)))


def _judged(difference: float | None) -> str:
    if difference is None:
        return NOT_MEASURED
    return f"{difference:.1e}" + ("" if difference <= TOLERANCE else FAIL)


def prediction_parity(table: Table, gpu: Side | None) -> None:
    """Add |dp|: differences between the predictions of a CPU teacher and a GPU teacher for the same rows."""
    table.head("|dp| of predictions: 50 %, 99 %, 100 %")
    series = walks(*PARITY_SIZE)
    x, y = rows_of(series, np)
    cases = (("as configured", NO_CHANGES), ("without its sampling", SAMPLING_OFF))
    for name, changes in cases:
        booster = train(matrix(x, y), "cpu", PARITY_ROUNDS, changes)
        expected = booster.inplace_predict(x)
        cells = [NOT_MEASURED] * 4
        if gpu:
            on_gpu = [gpu.xp.asarray(values) for values in (x, y)]
            cells = _quantiles(
                expected, train(matrix(*on_gpu), "cuda", PARITY_ROUNDS, changes).inplace_predict(on_gpu[0])
            )
        for share, cell in zip(("50 %", "99 %", "100 %", "same decisions"), cells, strict=True):
            table.line(f"{name}, {share}", len(y), "reference", cell)
    cell = NOT_MEASURED
    if gpu:
        booster.set_param({"device": "cuda"})
        cell = _quantiles(expected, booster.inplace_predict(gpu.xp.asarray(x)))[2]
    table.line("CPU model predicting on the GPU, 100 %", len(y), "reference", cell)


def _quantiles(expected: Array, found: Array) -> list[str]:
    if isinstance(found, np.ndarray):
        return ["left device"] * 4
    p = to_host(found)
    quantiles = np.quantile(np.abs(p - expected), (0.5, 0.99, 1.0))
    return [*(f"{q:.1e}" for q in quantiles), f"{((p > 0.5) == (expected > 0.5)).mean():.2%}"]


def timings(table: Table, gpu: Side | None) -> None:
    """Add the seconds per size on both devices: whole, features alone, training alone."""
    sides = [side for side in (CPU, gpu) if side]
    found: dict[tuple[str, int], Timed] = {}
    s_per_row: dict[str, float] = {}
    for symbols, each in SIZES:
        series = walks(symbols, each + WARMUP_BARS + HORIZON)
        for side in sides:
            # More rows fit the caches less well: assume twice the time per row of the size before.
            expected_s = 2.0 * s_per_row.get(side.device, 0.0) * symbols * each
            if expected_s > table.left_s() - RESERVE_S or table.left_s() < 0:
                continue
            timed = best(side, series, table.left_s() / 10.0)
            found[side.device, symbols * each] = timed
            s_per_row[side.device] = timed.whole / (symbols * each)
    parts: tuple[tuple[str, Callable[[Timed], float]], ...] = (
        (f"bars to predictions, {ROUNDS} rounds", lambda t: t.whole),
        ("bars to features alone", lambda t: t.features),
        (f"xgboost.train alone, {ROUNDS} rounds", lambda t: t.training),
    )
    for name, part in parts:
        table.head(name)
        for symbols, each in SIZES:
            cpu, cuda = (found.get((device, symbols * each)) for device in ("cpu", "cuda"))
            table.times(
                f"{symbols} symbol{'s' * (symbols > 1)}",
                symbols * each,
                part(cpu) if cpu else None,
                part(cuda) if cuda else None,
                NO_TIME if gpu else NOT_MEASURED,
            )


def concurrency(table: Table, gpu: Side | None) -> None:
    """Add the windows per second of several processes on one device."""
    table.head("concurrent windows, windows per second")
    for count in CONCURRENT_WINDOWS:
        cells = []
        for device in ("cpu", "cuda"):
            if device == "cuda" and not gpu:
                cells.append(NOT_MEASURED)
            elif table.left_s() < RESERVE_S / 4:
                cells.append(NO_TIME)
            else:
                cells.append(f"{windows_at_once(device, count):.1f}")
        table.line(f"{count} process{'es' * (count > 1)}", WINDOW_ROWS, cells[0], cells[1])


def circumstances(table: Table, gpu: Side | None, gauge: Gauge) -> None:
    """Add the GPU's highest readings, the versions of packages and drivers, and the names of the processors."""
    table.lines += ["", "GPU during the whole run (NVML, every 50 ms)"]
    busy = f"{gauge.busy_percent} %" if gauge.seen else NOT_MEASURED
    memory = f"{gauge.memory_mib:,} of {gauge.total_mib:,} MiB" if gauge.seen else NOT_MEASURED
    table.lines += [f"  highest utilisation  {busy}", f"  highest memory       {memory}", "", "versions"]
    found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions() if d.metadata["Name"]}
    versions = [f"{name} {found[name]}" for name in PACKAGES if name in found]
    table.lines.append(f"  Python {platform.python_version()}, xgboost {xgb.__version__}")
    for i in range(0, len(versions), 4):
        table.lines.append("  " + ", ".join(versions[i : i + 4]))
    table.lines.append(f"  CPU     {processor()}, {len(os.sched_getaffinity(0))} cores usable")
    name, driver, cuda = NOT_MEASURED, gauge.driver or NOT_MEASURED, NOT_MEASURED
    if gpu:
        runtime = gpu.xp.cuda.runtime
        name = runtime.getDeviceProperties(0)["name"].decode()
        cuda = f"{runtime.runtimeGetVersion()}, driver supports up to {runtime.driverGetVersion()}"
    table.lines += [f"  GPU     {name}", f"  driver  {driver}", f"  CUDA    {cuda}"]


def processor() -> str:
    """Return the CPU's model name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Compare a CPU core with a GPU in one table.")
    parser.add_argument("--cpu-only", action="store_true", help="measure the CPU only")
    parser.add_argument(
        "--minutes", type=float, default=8.0, help="start no measurement that would end later (default: 8)"
    )
    arguments = parser.parse_args()
    gpu = None
    if not arguments.cpu_only:
        if reason := why_no_gpu():
            raise SystemExit(f"{reason}: use --cpu-only to measure the CPU alone")
        gpu = Side("cuda", import_module("cupy"))
    begun = time.monotonic()
    table = Table(begun + 60.0 * arguments.minutes)
    with gauged(gpu) as gauge:
        indicator_parity(table, gpu)
        prediction_parity(table, gpu)
        timings(table, gpu)
        concurrency(table, gpu)
    circumstances(table, gpu, gauge)
    print("\n".join(table.lines[1:]))
    print(f"\n  took {time.monotonic() - begun:.0f} s")
    if any(line.endswith(FAIL) for line in table.lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
