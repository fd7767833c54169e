"""Trains windows on generated bars one after the other, as a run does, and pools their scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.stats import rankdata

from orchestrator.planning.windows import lay_windows
from schemas.config.training import TrainingSettings
from schemas.contract.window import WARMUP_BARS, Window
from tests.strategies import recipe
from tests.workers.learning.targets import counts_for, student_for
from workers.bars.calendar import day_of
from workers.bars.series import Floats, Ints, Series
from workers.features.registry import feature_names
from workers.learning.history import History, prepare
from workers.learning.window import TrainedTeacher, fit_window_teacher
from workers.learning.window_student import (
    TrainedStudent,
)
from workers.models.logistic import Logistic
from workers.models.xgboost import XGBoost, parameters
from workers.scoring.log_loss import log_losses


@dataclass(frozen=True)
class Trained:
    """One window: its teacher, its student, and the labels of the rows that both scored."""

    window: Window
    teacher: TrainedTeacher
    student: TrainedStudent
    y: NDArray[np.int8]


@dataclass(frozen=True)
class Pooled:
    """Out-of-sample rows of many windows together, one value per row; `window` is the window's number."""

    y: NDArray[np.int8]
    window: Ints
    prior: Floats
    student: Floats
    alone: Floats
    teacher: Floats

    def auc(self, name: str) -> float:
        """Area under the ROC curve of all rows pooled; a mean over windows would be biased."""
        return auc(self.y, getattr(self, name))

    def log_loss(self, name: str) -> float:
        """Mean over all rows."""
        return float(log_losses(self.y, getattr(self, name)).mean())

    def skill(self, name: str) -> float:
        """1 - log loss / log loss of the base rates."""
        return 1.0 - self.log_loss(name) / self.log_loss("prior")

    def gain(self, better: str, worse: str) -> tuple[float, float]:
        """Mean log-loss improvement of `better` over `worse`, and its standard error clustered by window."""
        saved = log_losses(self.y, getattr(self, worse)) - log_losses(self.y, getattr(self, better))
        mean = float(saved.mean())
        of_window = np.bincount(self.window, weights=saved - mean)
        return mean, float(np.sqrt((of_window**2).sum())) / len(saved)

    @cached_property
    def windows(self) -> int:
        return len(np.unique(self.window))


def auc(y: NDArray[np.int8], p: Floats) -> float:
    """Probability that a row of class 1 has the higher score, ties a half."""
    ones = int(y.sum())
    return float((rankdata(p)[y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def windows_of(symbol: str, series: Series, window_days: int, step_days: int) -> list[Window]:
    """All whole windows that the bars after the warm-up can train and score."""
    first, last = day_of(series.session[WARMUP_BARS]), day_of(series.session[-1])
    laid = lay_windows(symbol, first, last - timedelta(days=step_days), window_days, step_days)
    return [window for window in laid if (window.end - window.start).days == window_days]


def train_together(
    histories: Mapping[str, History], windows: Iterable[Window], settings: TrainingSettings
) -> list[Trained]:
    """The students of windows over the same days, one per symbol or one of all, with one teacher. Raises Skip."""
    windows = list(
        {each.label: each for each in (window.in_scope(settings.scope_of_students) for window in windows)}.values()
    )
    panel = windows[0].in_scope(settings.scope)
    counts = counts_for(histories, panel, settings)
    teacher = fit_window_teacher(histories, panel, settings, counts, "cpu")
    students = [student_for(histories, window, settings, teacher) for window in windows]
    return [Trained(window, teacher, student, student.y) for window, student in zip(windows, students, strict=True)]


def walk_forward(
    worlds: Mapping[str, Series], settings: TrainingSettings, window_days: int, step_days: int
) -> list[Trained]:
    """Every whole window of every symbol, each with its own teacher. Raises Skip."""
    result = []
    for symbol, series in worlds.items():
        history = prepare(series, settings)
        for window in windows_of(symbol, series, window_days, step_days):
            result += train_together({symbol: history}, [window], settings)
    return result


def pool(trained: Iterable[Trained]) -> Pooled:
    """The scored rows of all windows, one after the other."""
    rows = [
        (
            each.y,
            np.full(len(each.y), number),
            each.student.prior,
            each.student.scored_student,
            each.student.scored_alone,
            each.student.scored_teacher,
        )
        for number, each in enumerate(trained)
    ]
    return Pooled(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def shuffled_auc(trained: Iterable[Trained], seed: int) -> float:
    """Pooled AUC of boosters with the teacher's own parameters, had each window's rows been split at random, 4 to 1.

    All rounds are kept: there is no tail for early stopping, and scored rows do not influence the fit.
    """
    rng = np.random.default_rng(seed)
    y, predicted = [], []
    for each in trained:
        sample = each.teacher.sample
        fit, held = np.split(rng.permutation(len(sample)), [len(sample) * 4 // 5])
        weight = sample.weight[fit] / sample.weight[fit].mean()
        rows = xgb.QuantileDMatrix(sample.x[fit], sample.y[fit], weight=weight, max_bin=64, nthread=1)
        booster = xgb.train(parameters(recipe("xgboost", "teacher", seed)), rows, 200, verbose_eval=False)
        y.append(sample.y[held])
        predicted.append(XGBoost(booster).predict(sample.x[held], 0.0))
    return auc(np.concatenate(y), np.concatenate(predicted))


def bits(trained: Trained) -> dict[str, bytes]:
    """Everything that a window's two tasks computed, by name, so that a test can report any different bit."""
    teacher, student = trained.teacher, trained.student
    return {
        "booster": teacher.teacher.model.encode(teacher.features),
        "offsets": teacher.teacher.offsets.tobytes(),
        "inputs": teacher.sample.x.tobytes(),
        "labels": teacher.sample.y.tobytes(),
        "weights": teacher.sample.weight.tobytes(),
        "out-of-fold predictions": teacher.own.tobytes(),
        "fitted by": teacher.fitted_by.tobytes(),
        "certificate": teacher.certificate.model_dump_json().encode(),
        "teacher's metrics": repr(teacher.metrics).encode(),
        "student": model_bits(student),
        "prior": repr((student.priors, student.serving)).encode(),
    }


def model_bits(student: TrainedStudent) -> bytes:
    """The calibrated model of a student of either kind, and its target."""
    model = student.fitted.model
    if isinstance(model, Logistic):
        found = model.coefficients.tobytes() + model.fill.tobytes() + repr(model.intercept).encode()
    else:
        found = model.encode(feature_names())
    return found + repr((student.fitted.taught_weight, student.fitted.shrinkage, student.fitted.teacher)).encode()


def score_bits(trained: Trained, rows: int | None = None) -> dict[str, bytes]:
    """The probabilities and labels of a window's scored rows, or of the first `rows` of them."""
    student = trained.student
    scores = {
        "student's": student.scored_student, "alone": student.scored_alone, "teacher's": student.scored_teacher,
    }  # fmt: skip
    return {name: values[:rows].tobytes() for name, values in scores.items()}
