"""The tasks that train one window's teacher or student: read bars, train or reuse, store, return the metrics."""

import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np

from schemas.config.training import TrainingSettings
from schemas.contract.artifact import METADATA_KINDS, KnownLabels, StudentInputs, TeacherInputs
from schemas.contract.errors import DataError
from schemas.contract.task import Role, WindowTask
from schemas.contract.versions import artifact_versions
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of
from schemas.files.belonging import foreign_inputs
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import read_model
from workers.artifacts import reader, writer
from workers.artifacts.reader import StoredTeacher
from workers.artifacts.reuse import remove_foreign, take_equal
from workers.bars import store
from workers.bars.series import Floats, Series
from workers.devices.pinning import xgboost_device
from workers.handlers.task_result import Result
from workers.learning.base_rate import LabelTimes
from workers.learning.history import (
    CACHED_FEATURES,
    History,
    bars_before,
    prepare,
    prepare_panel,
    times_of,
    times_of_panel,
)
from workers.learning.refused_features import refuse_faulty_features
from workers.learning.refused_label import refuse_faulty_label
from workers.learning.window import fit_window_teacher, training_rows
from workers.learning.window_student import ScoredRows, fit_window_student, scored_inputs, scored_rows, teacher_scores
from workers.models.stored_student import StoredStudent, read_student
from workers.scoring.family import FAMILIES
from workers.side.universe import with_members

# The bars of all symbols of a run: name, file and digest of each.
Panel = tuple[tuple[str, Path, str], ...]

TIMED_ROWS = 8
# Symbols whose labels, and symbols by window ends whose label counts, a process keeps.
CACHED_LABELS, CACHED_COUNTS = 4096, 65536
# Panels, and window ends of panels, that a process keeps where labels or features depend on all symbols.
CACHED_PANELS, CACHED_PANEL_COUNTS = 1, 256


def train_teacher(task: WindowTask, data_dir: Path) -> Result:
    """Store one window's teacher: trained, or with `reuse` copied from another run."""
    histories, counts = _histories(task, data_dir), _label_counts(task, data_dir)
    refuse_faulty_label(histories, task.settings)
    refuse_faulty_features(histories, task.settings)
    # Raises Skip: a window that cannot be trained is not reused either.
    training_rows(histories, task.window, task.settings)
    inputs = TeacherInputs(
        window=task.window.span,
        settings=task.settings,
        bars_sha256=_bars_before(histories, task.window),
        label_counts=counts,
        versions=artifact_versions(*task.settings.model_libraries),
    )
    folder = _folder(task, data_dir, task.window, Role.TEACHER)
    remove_foreign(folder, inputs)
    donor = take_equal(task, data_dir, inputs) if task.reuse else None
    if donor is None:
        trained = fit_window_teacher(histories, task.window, task.settings, counts, xgboost_device())
        writer.write_teacher(folder, inputs, histories, trained)
    return _stored(folder, inputs, donor)


def train_student(task: WindowTask, data_dir: Path) -> Result:
    """Store one window's student and its scores of the bars after it: trained, or with `reuse` copied."""
    histories, counts = _histories(task, data_dir), _label_counts(task, data_dir)
    window, settings = task.window, task.settings
    panel = settings.scope_of_students == "panel"
    learned = histories if panel else {window.symbol: histories[window.symbol]}
    rows = scored_rows(learned, window, settings)
    stored = _stored_teacher(
        _folder(task, data_dir, window.in_scope(settings.scope), Role.TEACHER), _teacher_of(task, histories, counts)
    )
    last_read = _last_read(learned, rows, settings)
    inputs = StudentInputs(
        window=window,
        settings=settings,
        bars_sha256={
            name: series.digest(int(np.searchsorted(series.timestamp, last_read, side="right")))
            for name, series in _bars_read(histories).items()
        },
        label_counts=counts,
        teacher_sha256=stored.sha256,
        versions=artifact_versions(*task.settings.model_libraries),
    )
    folder = _folder(task, data_dir, window, Role.STUDENT)
    remove_foreign(folder, inputs)
    donor = take_equal(task, data_dir, inputs) if task.reuse else None
    if donor is None:
        targets = stored.targets if panel else stored.targets.of(window.symbol)
        predicted = teacher_scores(stored.model, stored.offsets, histories, rows, settings)
        student = fit_window_student(learned, window, settings, counts, targets, rows, predicted)
        writer.write_student(folder, inputs, learned, student, stored.content)
    result = _stored(folder, inputs, donor)
    model = read_student(folder, result.digests)
    x, _ = scored_inputs(learned, rows.first(TIMED_ROWS))
    return replace(result, metrics=result.metrics | {"microseconds_a_row": _microseconds_a_row(model, x)})


def _stored_teacher(folder: Path, inputs: TeacherInputs) -> StoredTeacher:
    """The teacher of a student. That of a panel is read once for the students of all its symbols."""
    reader.refuse_foreign_teacher(folder, inputs)
    shared = inputs.settings.scope != inputs.settings.scope_of_students and (folder / METADATA).is_file()
    return _shared_teacher(folder, sha256_of(folder / METADATA)) if shared else reader.read_teacher(folder)


@lru_cache(maxsize=1)
def _shared_teacher(folder: Path, metadata_sha256: str) -> StoredTeacher:
    """The teacher whose metadata, which names the digests of its files, has this digest."""
    return reader.read_teacher(folder)


def _last_read(histories: Mapping[str, History], rows: ScoredRows, settings: TrainingSettings) -> int:
    """Instant of the last bar that scoring reads: the end of a last scored row's horizon."""
    last = []
    for symbol, mine in zip(rows.symbols, rows.places, strict=True):
        if len(mine):
            history, row = histories[symbol], rows.row[mine[-1]]
            last.append(int(history.series.timestamp[history.labels.t0[row] + settings.horizon_bars]))
    return max(last)


def _microseconds_a_row(model: StoredStudent, x: Floats) -> float:
    """Median microseconds of a prediction of one row."""
    seconds = []
    for row in itertools.islice(itertools.cycle(x), TIMED_ROWS):
        began = time.perf_counter()
        FAMILIES[model.serving.target].prediction(model.margin(row[None, :]))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1e6


def _teacher_of(task: WindowTask, histories: dict[str, History], counts: dict[str, KnownLabels]) -> TeacherInputs:
    """Inputs of the teacher of a student's window, with the bars of those symbols that the student reads."""
    window = task.window.in_scope(task.settings.scope)
    return TeacherInputs(
        window=window.span,
        settings=task.settings,
        bars_sha256=_bars_before(histories, window),
        label_counts=counts,
        versions=artifact_versions(*task.settings.model_libraries),
    )


def _bars_before(histories: dict[str, History], window: Window) -> dict[str, str]:
    """Digest of each symbol's bars before the window's end."""
    return {name: series.digest(bars_before(series, window)) for name, series in _bars_read(histories).items()}


def _bars_read(histories: dict[str, History]) -> dict[str, Series]:
    """The bars that labels and features of `histories` were computed from."""
    read = {name: each.series for name, each in histories.items()}
    for each in histories.values():
        read |= each.panel
    return read


def _stored(folder: Path, inputs: TeacherInputs | StudentInputs, donor: str | None) -> Result:
    """Result of the artifact that is stored now; another attempt's, if that was first. DataError if it is another."""
    metadata = read_model(folder / METADATA, METADATA_KINDS[inputs.role])
    if why := foreign_inputs(metadata, inputs):
        raise DataError(f"{folder} was not made by this run: {why}; remove it and resume the run")
    return Result(metadata.metrics, writer.digests(folder), metadata.key, donor)


def _folder(task: WindowTask, data_dir: Path, window: Window, role: Role) -> Path:
    return RunLayout.under(data_dir, task.run_id).artifact(window.label, role)


def _histories(task: WindowTask, data_dir: Path) -> dict[str, History]:
    """Bars, features and labels of each symbol whose rows the task's models read."""
    layout = BarsLayout.under(data_dir, task.settings.interval)
    settings = task.settings
    alone = settings.scope == "symbol" or (
        task.role is Role.STUDENT
        and settings.scope_of_students == "symbol"
        and "cross-section" not in settings.privileged
    )
    read = {task.window.symbol: task.bars[task.window.symbol]} if alone else task.bars
    if settings.needs_panel:
        whole = _prepared_panel(_panel_of(task, layout), settings)
        return {symbol: whole[symbol] for symbol in read}
    kept = len(read) <= CACHED_FEATURES
    return {
        symbol: _prepared(layout.bars_of(symbol, sha256), sha256, settings, kept, symbol)
        for symbol, sha256 in read.items()
    }


def _panel_of(task: WindowTask, layout: BarsLayout) -> Panel:
    return tuple((symbol, layout.bars_of(symbol, sha256), sha256) for symbol, sha256 in sorted(task.bars.items()))


def _label_counts(task: WindowTask, data_dir: Path) -> dict[str, KnownLabels]:
    """The labels of every symbol of the run that are known at the window's end."""
    layout = BarsLayout.under(data_dir, task.settings.interval)
    if task.settings.label_compares:
        return _panel_counts(_panel_of(task, layout), task.settings, task.window.end)
    return {
        symbol: _label_count(symbol, layout.bars_of(symbol, sha256), sha256, task.settings, task.window.end)
        for symbol, sha256 in sorted(task.bars.items())
    }


@lru_cache(maxsize=store.CACHED_SYMBOLS)
def _prepared(path: Path, sha256: str, settings: TrainingSettings, kept: bool, symbol: str) -> History:
    return prepare(_bars(symbol, path, sha256, settings), settings, xgboost_device(), kept, symbol)


@lru_cache(maxsize=CACHED_PANELS)
def _prepared_panel(panel: Panel, settings: TrainingSettings) -> dict[str, History]:
    return prepare_panel(_loaded(panel, settings), settings, xgboost_device())


@lru_cache(maxsize=CACHED_COUNTS)
def _label_count(symbol: str, path: Path, sha256: str, settings: TrainingSettings, end: date) -> KnownLabels:
    return _label_times(symbol, path, sha256, settings).count(end)


@lru_cache(maxsize=CACHED_LABELS)
def _label_times(symbol: str, path: Path, sha256: str, settings: TrainingSettings) -> LabelTimes:
    return times_of(_bars(symbol, path, sha256, settings), settings, symbol)


@lru_cache(maxsize=CACHED_PANEL_COUNTS)
def _panel_counts(panel: Panel, settings: TrainingSettings, end: date) -> dict[str, KnownLabels]:
    return {symbol: times.count(end) for symbol, times in _panel_times(panel, settings).items()}


@lru_cache(maxsize=CACHED_PANELS)
def _panel_times(panel: Panel, settings: TrainingSettings) -> dict[str, LabelTimes]:
    return times_of_panel(_loaded(panel, settings), settings)


def _loaded(panel: Panel, settings: TrainingSettings) -> dict[str, Series]:
    return {symbol: _bars(symbol, path, sha256, settings) for symbol, path, sha256 in panel}


def _bars(symbol: str, path: Path, sha256: str, settings: TrainingSettings) -> Series:
    """Stored bars of a symbol, which know when it belongs to the run's universe."""
    return with_members(symbol, store.load(path, sha256), settings.members)
