"""One window's teacher and student as tasks: read bars, train or take an equal one, store, say what came out."""

from functools import lru_cache
from pathlib import Path

from schemas.artifacts import StudentInputs, TeacherInputs
from schemas.config import TrainingSettings
from schemas.layout import BarsLayout, RunLayout
from schemas.messages import Role, WindowTask
from schemas.rows import read_model
from schemas.versions import artifact_versions
from workers import artifacts
from workers.bars import store
from workers.devices import xgboost_device
from workers.learning.teacher import predict
from workers.learning.window import History, prepare, select_rows, train_student, train_teacher
from workers.result import Result
from workers.reuse import take_equal


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
