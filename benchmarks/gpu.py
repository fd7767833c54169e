"""A CPU core beside a GPU: same numbers, and how long each takes from bars to a teacher's predictions.

    python benchmarks/gpu.py [--cpu-only] [--minutes 8]

Run it from the checkout. It needs no broker, and only numpy, pandas, pyarrow, scipy, pydantic, cupy and xgboost
(nvidia-ml-py for utilisation and memory). Bars are generated. A cell that was not measured says so. It ends with
status 1 where an indicator differs by more than 1e-9.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, the checkout need not be installed

import numpy as np
import scipy.signal
import xgboost as xgb

from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Series
from workers.features.frame import Frame, frame_of
from workers.features.indicators import Array, session_vwap
from workers.features.registry import feature_names, model_features
from workers.models import xgboost as teacher

SIZES = ((1, 123), (1, 1_000), (1, 10_000), (1, 46_000), (32, 50_000))  # symbols, rows of each
ROUNDS = teacher.MAX_ROUNDS
WINDOWS_AT_ONCE = (1, 2, 4)
WINDOW_ROWS = 1_000
WINDOWS_PER_PROCESS = 5
PARITY_SIZE = (8, 4_000)
PARITY_ROUNDS = 50
TOLERANCE = 1e-9
FAIL = " FAIL"
HORIZON = 5
SEED = 42
NOT_MEASURED = "not measured"
NO_TIME = "no time left"
RESERVE_S = 20.0  # for the windows at once, which come last
NO_CHANGES: dict[str, object] = {}
SAMPLING_OFF: dict[str, object] = {"subsample": 1.0, "colsample_bytree": 1.0}
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "pydantic", "cupy-cuda12x", "cupy-cuda13x", "nvidia-ml-py")


# The teacher: the one place that knows how it trains.


def matrix(x: Array, y: Array) -> xgb.QuantileDMatrix:
    """Rows as the teacher hands them to XGBoost, on the device that they are on."""
    return xgb.QuantileDMatrix(x, y, max_bin=teacher.MAX_BIN, nthread=1)


def train(rows: xgb.QuantileDMatrix, device: str, rounds: int, changes: dict[str, object] | None = None) -> xgb.Booster:
    """A booster with the teacher's parameters, for a fixed number of rounds; RuntimeError if trained elsewhere."""
    parameters = teacher.parameters(0.5, SEED, device) | (changes or {})
    booster = xgb.train(parameters, rows, rounds, verbose_eval=False)
    found = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not str(found).startswith(device):
        raise RuntimeError(f"XGBoost was to train on {device} and trained on {found}")
    return booster


# Bars and rows.


def walks(symbols: int, bars: int, bars_a_session: int = 25) -> list[Series]:
    """Random walks whose returns carry on a little, in sessions of 15-minute bars."""
    rng = np.random.default_rng(SEED)
    session = 18_000 + np.arange(bars) // bars_a_session
    timestamp = session * 86_400 * 10**6 + (33_300 + np.arange(bars) % bars_a_session * 900) * 10**6
    series = []
    for _ in range(symbols):
        returns = scipy.signal.lfilter([1.0], [1.0, -0.1], rng.normal(0.0, 0.01, bars))
        close = 100.0 * np.exp(np.cumsum(returns))
        opening = close * np.exp(rng.normal(0.0, 0.003, bars))
        high = np.maximum(opening, close) * (1.0 + rng.uniform(0.0, 0.005, bars))
        low = np.minimum(opening, close) * (1.0 - rng.uniform(0.0, 0.005, bars))
        volume = np.floor(np.exp(rng.normal(11.0, 0.6, bars)))
        series.append(Series(timestamp, session, opening, high, low, close, volume))
    return series


def stacked(series: list[Series]) -> Series:
    """Several symbols of equal length as one, each array of shape (symbols, bars)."""
    return Series(*(np.stack(columns) for columns in zip(*(vars(each).values() for each in series), strict=True)))


def rows_of(series: list[Series], xp: ModuleType) -> tuple[Array, Array]:
    """Features of all warmed-up bars, one row each, and whether the close is higher HORIZON bars later.

    A GPU takes all symbols at once, a CPU core one after the other: its caches hold no more.
    """
    if xp is not np:
        return _rows(frame_of(stacked(series), True, xp=xp))
    parts = [_rows(frame_of(each, True)) for each in series]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def _rows(frame: Frame) -> tuple[Array, Array]:
    x, close = model_features(frame), frame.close
    usable = slice(WARMUP_BARS, close.shape[-1] - HORIZON)
    y = close[..., WARMUP_BARS + HORIZON :] > close[..., usable]
    return x[..., usable, :].reshape(-1, x.shape[-1]), y.reshape(-1).astype("int8")


def to_host(x: Array) -> Any:
    """`x` as a numpy array."""
    return x if isinstance(x, np.ndarray) else x.get()


# Devices.


def why_no_gpu() -> str:
    """Why nothing can be measured on a GPU here, in one line; empty if it can."""
    try:
        runtime = import_module("cupy").cuda.runtime
    except ImportError as error:
        return f"CuPy cannot be imported ({_first_line(error)})"
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return f"CUDA shows no GPU ({_first_line(error)})"
    if not count:
        return "CUDA shows no GPU"
    try:
        import_module("cupyx.scipy.signal")
    except ImportError as error:
        return f"CuPy lacks a library of CUDA, which its extra [ctk] brings ({_first_line(error)})"
    return "" if xgb.build_info()["USE_CUDA"] else "this XGBoost is built without CUDA"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@dataclass(frozen=True)
class Side:
    """A device to measure: XGBoost's name for it and its array module."""

    device: str
    xp: ModuleType

    def finish(self) -> None:
        """Wait for all that was launched."""
        if self.device == "cuda":
            self.xp.cuda.runtime.deviceSynchronize()


CPU = Side("cpu", np)


@dataclass
class Gauge:
    """The most that NVML saw of a GPU while something ran."""

    busy_percent: int = 0
    memory_mib: int = 0
    total_mib: int = 0
    driver: str = ""
    seen: bool = False


@contextmanager
def gauged(gpu: Side | None) -> Iterator[Gauge]:
    """Sample NVML every 50 ms; the gauge stays unseen where there is no binding, driver or reading."""
    gauge, stop = Gauge(), threading.Event()
    try:
        nvml = import_module("pynvml")
    except ImportError:
        nvml = None
    if gpu is None or nvml is None:
        yield gauge
        return

    def sample() -> None:
        try:
            nvml.nvmlInit()
            handle = nvml.nvmlDeviceGetHandleByPciBusId(gpu.xp.cuda.Device(0).pci_bus_id)
            gauge.driver = str(nvml.nvmlSystemGetDriverVersion())
            while not stop.wait(0.05):
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                gauge.total_mib = memory.total >> 20
                gauge.memory_mib = max(gauge.memory_mib, memory.used >> 20)
                gauge.busy_percent = max(gauge.busy_percent, nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                gauge.seen = True
        except nvml.NVMLError:
            gauge.seen = False

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield gauge
    finally:
        stop.set()
        thread.join()


# The table.


@dataclass
class Table:
    """Lines of four columns, printed once."""

    deadline: float
    lines: list[str] = field(default_factory=list)

    def head(self, text: str) -> None:
        self.lines += ["", f"{text[:44]:<44}{'rows':>10}{'CPU core':>14}{'GPU':>14}{'CPU/GPU':>8}"]

    def line(self, name: str, rows: int, cpu: str, gpu: str, ratio: str = "") -> None:
        self.lines.append(f"  {name[:42]:<42}{rows:>10,}{cpu:>14}{gpu:>14}{ratio:>8}".rstrip())

    def times(self, name: str, rows: int, cpu: float | None, gpu: float | None, missing: str) -> None:
        """Seconds on both; the ratio where both were measured."""
        ratio = f"{cpu / gpu:.2f}" if cpu is not None and gpu is not None else ""
        cells = [f"{s:.4f} s" if s is not None else why for s, why in ((cpu, NO_TIME), (gpu, missing))]
        self.line(name, rows, cells[0], cells[1], ratio)

    def left_s(self) -> float:
        return self.deadline - time.monotonic()


def relative_difference(ours: Array, reference: Array) -> float:
    """Largest difference relative to the value, or to the middle size of all where the value is smaller.

    Infinite where one is NaN and the other is not.
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
    """Every indicator of the parity walks, and every model feature."""
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
    """|dp| of teachers trained on either device and asked the same rows."""
    table.head("|dp| of predictions: 50 %, 99 %, 100 %")
    series = walks(*PARITY_SIZE)
    x, y = rows_of(series, np)
    cases = (("as the teacher is", NO_CHANGES), ("without its sampling", SAMPLING_OFF))
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
    table.line("the CPU's model asked on the GPU, 100 %", len(y), "reference", cell)


def _quantiles(expected: Array, found: Array) -> list[str]:
    if isinstance(found, np.ndarray):
        return ["left device"] * 4
    p = to_host(found)
    quantiles = np.quantile(np.abs(p - expected), (0.5, 0.99, 1.0))
    return [*(f"{q:.1e}" for q in quantiles), f"{((p > 0.5) == (expected > 0.5)).mean():.2%}"]


@dataclass(frozen=True)
class Timed:
    """Seconds from bars to predictions and of its parts: indicators and features, `xgboost.train` alone."""

    whole: float
    features: float
    training: float


def once(side: Side, series: list[Series], rounds: int = ROUNDS) -> Timed:
    """Bars, features, matrix, training and predictions, nothing leaving the device between."""
    side.finish()
    begun = time.perf_counter()
    x, y = rows_of(series, side.xp)
    side.finish()
    featured = time.perf_counter()
    rows = matrix(x, y)
    side.finish()
    built = time.perf_counter()
    booster = train(rows, side.device, rounds)
    side.finish()
    trained = time.perf_counter()
    booster.inplace_predict(x)
    side.finish()
    return Timed(time.perf_counter() - begun, featured - begun, trained - built)


def best(side: Side, series: list[Series], at_most_s: float) -> Timed:
    """The fastest of three, or of as many as fit into the time."""
    until = time.monotonic() + at_most_s
    fastest = once(side, series)
    for _ in range(2):
        if time.monotonic() + fastest.whole > until:
            break
        fastest = min(fastest, once(side, series), key=lambda t: t.whole)
    return fastest


def timings(table: Table, gpu: Side | None) -> None:
    sides = [side for side in (CPU, gpu) if side]
    found: dict[tuple[str, int], Timed] = {}
    a_row_s: dict[str, float] = {}
    for symbols, each in SIZES:
        series = walks(symbols, each + WARMUP_BARS + HORIZON)
        for side in sides:
            # More rows fit worse into caches: twice what a row cost in the size before.
            expected_s = 2.0 * a_row_s.get(side.device, 0.0) * symbols * each
            if expected_s > table.left_s() - RESERVE_S or table.left_s() < 0:
                continue
            timed = best(side, series, table.left_s() / 10.0)
            found[side.device, symbols * each] = timed
            a_row_s[side.device] = timed.whole / (symbols * each)
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


def windows_in_a_process(device: str, ready: Any, answers: Any) -> None:
    """Train WINDOWS_PER_PROCESS windows once all processes are warm; answer when it began and ended."""
    side = Side(device, import_module("cupy") if device == "cuda" else np)
    series = walks(1, WINDOW_ROWS + WARMUP_BARS + HORIZON)
    once(side, series, 2)
    ready.wait(120)
    begun = time.perf_counter()
    for _ in range(WINDOWS_PER_PROCESS):
        once(side, series)
    answers.put((begun, time.perf_counter()))


def windows_at_once(device: str, count: int) -> float:
    """Windows a second of `count` processes on one device; the clock is the host's, the same for all."""
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(count), context.Queue()
    arguments = (device, ready, answers)
    processes = [context.Process(target=windows_in_a_process, args=arguments, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    times = [answers.get(timeout=240) for _ in processes]
    for process in processes:
        process.join()
    elapsed_s: float = max(end for _, end in times) - min(begun for begun, _ in times)
    return count * WINDOWS_PER_PROCESS / elapsed_s


def concurrency(table: Table, gpu: Side | None) -> None:
    table.head("windows at once, windows a second")
    for count in WINDOWS_AT_ONCE:
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
    table.lines += ["", "GPU while all of this ran (NVML, every 50 ms)"]
    busy = f"{gauge.busy_percent} %" if gauge.seen else NOT_MEASURED
    memory = f"{gauge.memory_mib:,} of {gauge.total_mib:,} MiB" if gauge.seen else NOT_MEASURED
    table.lines += [f"  most busy    {busy}", f"  most memory  {memory}", "", "versions"]
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
        cuda = f"{runtime.runtimeGetVersion()}, at most {runtime.driverGetVersion()} by the driver"
    table.lines += [f"  GPU     {name}", f"  driver  {driver}", f"  CUDA    {cuda}"]


def processor() -> str:
    """The CPU's model name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="A CPU core beside a GPU, as one table.")
    parser.add_argument("--cpu-only", action="store_true", help="leave the GPU's cells 'not measured'")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin nothing that would end later (default: 8)")
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
