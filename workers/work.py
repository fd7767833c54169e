"""What each task does, as plain calls: read what its message names, compute, store, say what came out."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from schemas.config import TrainingSettings
from schemas.errors import DataError
from schemas.layout import BarsLayout, RunLayout, audit_folder, sha256_of, write_atomic
from schemas.messages import IngestTask, Metric, Role, RunTask, WindowTask
from schemas.rows import write_model
from workers import artifacts
from workers.bars import store
from workers.bars.source import adjusts, read_bars
from workers.devices import xgboost_device
from workers.learning.teacher import predict
from workers.learning.window import History, prepare, select_rows, train_student, train_teacher


@dataclass(frozen=True)
class Result:
    """What a task hands back: numbers for people, digests for the audit."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


def ingest(task: IngestTask) -> Result:
    """Read a symbol from its source and store it. DataError if the source changed since the preflight read it."""
    table = read_bars(task.source, task.symbol, task.interval, task.timezone)
    content = store.encode(table)
    coverage = store.describe(
        table,
        content,
        symbol=task.symbol,
        interval=task.interval,
        source=task.source,
        adjusted=adjusts(task.source),
    )
    if coverage.sha256 != task.sha256:
        raise DataError(f"{task.source} changed {task.symbol} while the run was starting; start again")
    path = BarsLayout.under(task.data_dir, task.interval).bars(task.symbol)
    write_atomic(path, content)
    return Result({"bars": coverage.bars}, {path.name: coverage.sha256})


def teach(task: WindowTask) -> Result:
    """Train one window's teacher and store it."""
    history = _history(task)
    taught = train_teacher(history, task.window, task.settings, xgboost_device())
    return Result(taught.metrics, artifacts.write_teacher(_folder(task, Role.TEACHER), task, history, taught))


def study(task: WindowTask) -> Result:
    """Train one window's student from its stored teacher, score the bars after the window, store both."""
    history = _history(task)
    booster, out_of_fold, teacher_sha256 = artifacts.read_teacher(_folder(task, Role.TEACHER))
    scored = select_rows(history, task.window, task.settings).scored
    teacher_scored = predict(booster, history.features[history.labels.t0[scored]])
    student = train_student(history, task.window, task.settings, out_of_fold, teacher_scored)
    digests = artifacts.write_student(_folder(task, Role.STUDENT), task, history, student, teacher_sha256)
    return Result(student.metrics, digests)


def validate(task: RunTask) -> Result:
    """Score all students of a run together; writes `validation.json`."""
    from workers.judging.predictions import load_predictions
    from workers.judging.validation import validate as judge

    layout = RunLayout.under(task.data_dir, task.run_id)
    validation = judge(task.run_id, load_predictions(layout), task.settings)
    write_model(layout.validation, validation)
    scores = validation.model_dump(mode="json", exclude={"run_id", "per_symbol", "inputs"})
    return Result(scores, {layout.validation.name: sha256_of(layout.validation)})


def test(task: RunTask) -> Result:
    """Run the gates on a run's predictions; writes `statistics.json`."""
    from workers.judging.gates import judge
    from workers.judging.predictions import load_predictions

    layout = RunLayout.under(task.data_dir, task.run_id)
    statistics = judge(layout, task.run_id, load_predictions(layout), task.settings)
    write_model(layout.statistics, statistics)
    passed = {f"{gate.name}_passed": gate.passed for gate in statistics.gates}
    return Result(dict(passed), {layout.statistics.name: sha256_of(layout.statistics)})


def audit(task: RunTask) -> Result:
    """Draw the audit bundle's plots and copy what they were drawn from."""
    from workers.reporting.bundle import render

    layout = RunLayout.under(task.data_dir, task.run_id)
    digests = render(layout, audit_folder(task.release_dir, task.run_id), task.settings)
    return Result({"files": len(digests)}, digests)


def _folder(task: WindowTask, role: Role) -> Path:
    return RunLayout.under(task.data_dir, task.run_id).artifact(task.window.label, role)


def _history(task: WindowTask) -> History:
    path = BarsLayout.under(task.data_dir, task.settings.interval).bars(task.window.symbol)
    return _prepared(path, task.bars_sha256, task.settings)


@lru_cache(maxsize=store.CACHED_SYMBOLS)
def _prepared(path: Path, sha256: str, settings: TrainingSettings) -> History:
    return prepare(store.load(path, sha256), settings)
