"""The work that is measured on either device: from generated bars to a teacher's predictions."""

import json
import multiprocessing
import time
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import scipy.signal
import xgboost as xgb

from benchmarks.gpu_device import Side
from schemas.config.model_kinds import XGBoostTeacher
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Series
from workers.features.frame import Frame, frame_of
from workers.features.indicators import Array
from workers.features.registry import model_features
from workers.models.base import Recipe
from workers.models.xgboost import parameters

PARAMETERS = XGBoostTeacher()
ROUNDS = PARAMETERS.max_rounds
WINDOW_ROWS = 1_000
WINDOWS_PER_PROCESS = 5
HORIZON = 5
SEED = 42


def matrix(x: Array, y: Array) -> xgb.QuantileDMatrix:
    """Build XGBoost's matrix as the teacher does, on the device that holds `x` and `y`."""
    return xgb.QuantileDMatrix(x, y, max_bin=PARAMETERS.max_bin, nthread=1)


def train(rows: xgb.QuantileDMatrix, device: str, rounds: int, changes: dict[str, object] | None = None) -> xgb.Booster:
    """Train a booster with the teacher's parameters for a fixed number of rounds.

    `changes`: parameters to replace. RuntimeError if XGBoost trained on another device.
    """
    booster = xgb.train(
        parameters(Recipe(PARAMETERS, SEED, device)) | (changes or {}), rows, rounds, verbose_eval=False
    )
    found = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not str(found).startswith(device):
        raise RuntimeError(f"XGBoost trained on {found}, not on {device}")
    return booster


def walks(symbols: int, bars: int, bars_per_session: int = 25) -> list[Series]:
    """Generate random walks with slightly autocorrelated returns, in sessions of 15-minute bars."""
    rng = np.random.default_rng(SEED)
    session = 18_000 + np.arange(bars) // bars_per_session
    timestamp = session * 86_400 * 10**6 + (33_300 + np.arange(bars) % bars_per_session * 900) * 10**6
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
    """Stack several symbols of equal length into one series, each array of shape (symbols, bars)."""
    return Series(*(np.stack(columns) for columns in zip(*(vars(each).values() for each in series), strict=True)))


def rows_of(series: list[Series], xp: ModuleType) -> tuple[Array, Array]:
    """Compute features and labels of all warmed-up bars, one row per bar.

    The label is 1 if the close is higher HORIZON bars later. A GPU computes all symbols at once, a CPU core one after
    the other, because its caches do not hold more.
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
    """Return `x` as a numpy array."""
    return x if isinstance(x, np.ndarray) else x.get()


@dataclass(frozen=True)
class Timed:
    """Seconds from bars to predictions, and of two parts: indicators and features, and `xgboost.train`."""

    whole: float
    features: float
    training: float


def once(side: Side, series: list[Series], rounds: int = ROUNDS) -> Timed:
    """Time features, matrix, training and predictions; the data stay on the device in between."""
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
    """Return the fastest of three runs, or of as many as fit into `at_most_s` (at least one)."""
    until = time.monotonic() + at_most_s
    fastest = once(side, series)
    for _ in range(2):
        if time.monotonic() + fastest.whole > until:
            break
        fastest = min(fastest, once(side, series), key=lambda t: t.whole)
    return fastest


def windows_in_a_process(device: str, ready: Any, answers: Any) -> None:
    """Train WINDOWS_PER_PROCESS windows as soon as all processes are warm; put start and end into `answers`."""
    side = Side(device, import_module("cupy") if device == "cuda" else np)
    series = walks(1, WINDOW_ROWS + WARMUP_BARS + HORIZON)
    once(side, series, 2)
    ready.wait(120)
    begun = time.perf_counter()
    for _ in range(WINDOWS_PER_PROCESS):
        once(side, series)
    answers.put((begun, time.perf_counter()))


def windows_at_once(device: str, count: int) -> float:
    """Measure windows per second of `count` processes on one device, by the host's clock."""
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
