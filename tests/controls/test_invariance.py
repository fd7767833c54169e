"""A window's files depend on its bars, its settings and the code, and on nothing else."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from schemas.config.training import TrainingSettings
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.task import Role, WindowTask
from schemas.contract.window import Window
from schemas.files.layout import BarsLayout, RunLayout
from tests.conftest import tree
from tests.controls.harness import windows_of
from tests.strategies import QUICK, daily_walk, recipe, training_settings
from workers.bars import store
from workers.bars.clean import to_table
from workers.handlers.train import (
    _label_count,
    _label_times,
    _panel_counts,
    _panel_times,
    _prepared,
    _prepared_panel,
    train_student,
    train_teacher,
)
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS, blocks, split_tail
from workers.learning.teacher import fit_teacher, out_of_fold_predictions
from workers.models.xgboost import XGBoost

SERIES = {symbol: daily_walk(370, seed) for seed, symbol in enumerate(("A", "B"))}
# Rank labels need five symbols.
RANKED = {symbol: daily_walk(370, seed) for seed, symbol in enumerate("ABCDE")}
WORK = {Role.TEACHER: train_teacher, Role.STUDENT: train_student}
SYMBOL_SCOPE = training_settings()
TAUGHT_BY_A_PANEL = training_settings(
    scope="panel", student_scope="symbol", privileged=("cross-section", "path"), student="booster"
)
PANEL_SCOPE = training_settings(scope="panel")
SETTINGS = {"symbol": SYMBOL_SCOPE, "panel": PANEL_SCOPE, "panel's teacher": TAUGHT_BY_A_PANEL}
SETTINGS["rank"] = training_settings(label="rank", scope="panel")


@pytest.fixture(autouse=True)
def on_a_cpu_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is pinned as a worker's pool child is."""
    monkeypatch.setenv(DEVICE_ENV, Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json())


def tasks(data_dir: Path, run_id: str, settings: TrainingSettings) -> list[WindowTask]:
    """Every teacher and student of the generated bars, which are stored under `data_dir`; teachers first."""
    layout = BarsLayout.under(data_dir, settings.interval)
    layout.folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    stored = RANKED if settings.needs_panel else SERIES
    for symbol, series in stored.items():
        content = store.encode(to_table(series, np.ones(len(series))))
        layout.bars(symbol).write_bytes(content)
        digests[symbol] = hashlib.sha256(content).hexdigest()
    windows = [window for symbol, series in stored.items() for window in windows_of(symbol, series, 120, 90)]
    students = list(
        {each.label: each for each in (window.in_scope(settings.scope_of_students) for window in windows)}.values()
    )
    teachers = {window.in_scope(settings.scope).label: window.in_scope(settings.scope) for window in students}

    def task(role: Role, window: Window) -> WindowTask:
        bars = digests if settings.scope == "panel" else {window.symbol: digests[window.symbol]}
        return WindowTask(run_id=run_id, role=role, window=window, settings=settings, bars=bars)

    return [task(Role.TEACHER, each) for each in teachers.values()] + [task(Role.STUDENT, each) for each in students]


def files(
    data_dir: Path, run_id: str, settings: TrainingSettings, order: Sequence[int] | None = None
) -> dict[str, str]:
    """Digest of each file after all work was done in the order given; a student waits for its teacher."""
    todo = tasks(data_dir, run_id, settings)
    if order is not None:
        todo = [todo[i] for i in order]
    done: set[str] = set()
    while todo:
        ready = next(
            each for each in todo if each.role is Role.TEACHER or each.window.in_scope(settings.scope).label in done
        )
        WORK[ready.role](ready, data_dir)
        todo.remove(ready)
        if ready.role is Role.TEACHER:
            done.add(ready.window.label)
    found = tree(RunLayout.under(data_dir, run_id).folder / "windows")
    return {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}


def forget() -> None:
    """Clear what a process caches between windows, as in a new process."""
    _prepared.cache_clear()
    _label_times.cache_clear()
    _label_count.cache_clear()
    for cached in (_prepared_panel, _panel_times, _panel_counts):
        cached.cache_clear()
    store.load.cache_clear()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(each, id=name, marks=[pytest.mark.slow] * (name == "panel's teacher"))
        for name, each in SETTINGS.items()
    ],
)
def test_files_are_the_same_in_any_order_and_on_a_second_run(tmp_path: Path, settings: TrainingSettings) -> None:
    """Windows forwards, backwards and mixed, in one process and in a fresh one: every file has the same digest.

    `make check` leaves out the fresh one.
    """
    forget()
    first = files(tmp_path, "first", settings)
    count = len(tasks(tmp_path, "count", settings))
    assert len(first) > 3 * count
    assert files(tmp_path, "backwards", settings, range(count)[::-1]) == first
    if not QUICK:
        forget()
        mixed = np.random.default_rng(0).permutation(count).tolist()
        assert files(tmp_path, "mixed", settings, mixed) == first


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seed", range(1 if QUICK else 3))
def test_float32_and_float64_of_the_same_values_teach_the_same(seed: int, missing: bool) -> None:
    """The same values as float32 or as float64 give the same booster and the same predictions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, 25)).astype(np.float32)
    if missing:
        x[rng.random(x.shape) < 0.1] = np.nan
    y = (x[:, 0] + rng.normal(size=120) > 0).astype(np.int8)
    y[np.isnan(x[:, 0])] = 1
    t0 = np.arange(120)
    known = Sample(
        lambda _, places: x[places], y, t0, t0 + 5, rng.uniform(0.1, 0.3, 120), np.zeros(120, dtype=np.int64), t0,
        ("A",), np.array([[20.0], [40.0]]),
    )  # fmt: skip
    both = x, x.astype(np.float64)
    split, block = split_tail(t0, t0 + 5, 1), blocks(t0)
    how = recipe("xgboost", "teacher", seed)
    one, other = (fit_teacher(known, each, split, XGBoost, how) for each in both)
    assert one.model.encode(()) == other.model.encode(())
    assert one.model.predict(both[0], 0.0).tobytes() == other.model.predict(both[1], 0.0).tobytes()
    predicted, again = (out_of_fold_predictions(known, each, block, 1, XGBoost, how, True) for each in both)
    for found, same, shape in zip(predicted, again, ((120,), (120, BLOCKS), (120,)), strict=True):
        mine, its = np.asarray(found), np.asarray(same)
        assert mine.shape == shape
        assert mine.tobytes() == its.tobytes()
