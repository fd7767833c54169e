"""What each task does, as plain calls: read what its message names, compute, store, say what came out."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from schemas.artifacts import StudentInputs, TeacherInputs
from schemas.config import TrainingSettings
from schemas.errors import DataError
from schemas.layout import BarsLayout, RunLayout, audit_folder, sha256_of, write_atomic
from schemas.messages import IngestTask, Metric, Role, RunTask, WindowTask
from schemas.rows import read_model, write_model
from schemas.versions import artifact_versions
from workers import artifacts
from workers.bars import store
from workers.bars.source import adjusts, read_bars
from workers.devices import xgboost_device
from workers.learning.teacher import predict
from workers.learning.window import History, prepare, select_rows, train_student, train_teacher
from workers.reuse import take_equal


@dataclass(frozen=True)
class Result:
    """What a task hands back: numbers for people, digests for the audit, an artifact's key and the run it came from."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    reused_from: str | None = None


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
    """Store one window's teacher: trained, or with `reuse` taken from another run."""
    history = _history(task)
    last_read = history.labels.t1[select_rows(history, task.window, task.settings).train[-1]]
    inputs = TeacherInputs(
        window=task.window.span,
        settings=task.settings,
        bars_sha256=history.series.digest(int(last_read) + 1),
        versions=artifact_versions(),
    )
    donor = take_equal(task, inputs) if task.reuse else None
    if donor is None:
        taught = train_teacher(history, task.window, task.settings, xgboost_device())
        artifacts.write_teacher(_folder(task, Role.TEACHER), inputs, history, taught)
    return _stored(task, donor)


def study(task: WindowTask) -> Result:
    """Store one window's student and its scores of the bars after it: trained on its teacher, or taken as that was."""
    history = _history(task)
    booster, out_of_fold, teacher_sha256 = artifacts.read_teacher(_folder(task, Role.TEACHER))
    scored = select_rows(history, task.window, task.settings).scored
    inputs = StudentInputs(
        window=task.window,
        settings=task.settings,
        bars_sha256=history.series.digest(int(history.labels.t1[scored[-1]]) + 1),
        teacher_sha256=teacher_sha256,
        versions=artifact_versions(),
    )
    donor = take_equal(task, inputs) if task.reuse else None
    if donor is None:
        teacher_scored = predict(booster, history.features[history.labels.t0[scored]])
        student = train_student(history, task.window, task.settings, out_of_fold, teacher_scored)
        artifacts.write_student(_folder(task, Role.STUDENT), inputs, history, student)
    return _stored(task, donor)


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


def _stored(task: WindowTask, donor: str | None) -> Result:
    """What lies there now, which is a twin's artifact where that came first."""
    folder = _folder(task, task.role)
    metadata = read_model(folder / artifacts.METADATA, artifacts.METADATA_KINDS[task.role])
    return Result(metadata.metrics, artifacts.digests(folder), metadata.key, donor)


def _folder(task: WindowTask, role: Role) -> Path:
    return RunLayout.under(task.data_dir, task.run_id).artifact(task.window.label, role)


def _history(task: WindowTask) -> History:
    path = BarsLayout.under(task.data_dir, task.settings.interval).bars(task.window.symbol)
    return _prepared(path, task.bars_sha256, task.settings)


@lru_cache(maxsize=store.CACHED_SYMBOLS)
def _prepared(path: Path, sha256: str, settings: TrainingSettings) -> History:
    return prepare(store.load(path, sha256), settings)
