"""A window from bars to teacher and student: which rows may be used, in what order, for what. No disk, no clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.artifacts import StudentModel
from schemas.config import TrainingSettings
from schemas.messages import Metric
from schemas.window import WARMUP_BARS, SkipReason, Window
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints, Series
from workers.judging.scoring import log_loss
from workers.learning import student as students
from workers.learning import teacher as teachers
from workers.learning.features import FEATURE_NAMES, RAW_INDICATORS, frame_of, model_features
from workers.learning.labels import Labels, fixed_horizon, uniqueness
from workers.learning.splits import TailSplit, purged_folds, split_tail
from workers.result import Skip

MIN_CLASS_ROWS = 3


@dataclass(frozen=True)
class History:
    """Everything about a symbol that its windows share: bars, indicators, features, labels."""

    series: Series
    raw: dict[str, Floats]
    features: Floats
    labels: Labels


@dataclass(frozen=True)
class Rows:
    """A window's training rows and scored rows, as positions in the symbol's labels (and bars)."""

    train: Ints
    scored: Ints


@dataclass(frozen=True)
class TaughtWindow:
    """What the teacher task produces. Arrays have one value a training row."""

    teacher: teachers.Teacher
    rows: Rows
    split: TailSplit
    weight: Floats
    out_of_fold: Floats
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class TrainedStudent:
    """What the student task produces. `scored_*` have one value a scored row."""

    model: StudentModel
    prior: float
    scored: Ints
    scored_student: Floats
    scored_teacher: Floats
    metrics: dict[str, Metric]


def prepare(series: Series, settings: TrainingSettings) -> History:
    """Compute a symbol's indicators, features and labels once, over its whole history."""
    frame = frame_of(series, intraday=settings.interval != "1day")
    labels = fixed_horizon(series, settings.horizon_bars, settings.threshold)
    return History(series, frame.raw, model_features(frame), labels)


def select_rows(history: History, window: Window, settings: TrainingSettings) -> Rows:
    """Rows to train on: decided in `[start, end)`, label ended before `end`. To score: decided in `[end, score_end)`.

    Both are warmed up. Raises Skip with the first reason that holds.
    """
    session = history.series.session
    start, end, score_end = map(day_number, (window.start, window.end, window.score_end))
    t0, t1 = history.labels.t0, history.labels.t1
    decided = session[t0]
    inside = (decided >= start) & (decided < end) & (session[t1] < end)
    train = np.flatnonzero(inside & (t0 >= WARMUP_BARS))
    scored = np.flatnonzero((decided >= end) & (decided < score_end) & (t0 >= WARMUP_BARS))
    if not ((session >= start) & (session < end)).any():
        raise Skip(SkipReason.NO_DATA, f"no bars from {window.start} to {window.end}")
    if len(train) < settings.min_rows:
        cold = int(inside.sum()) - len(train)
        if int(inside.sum()) >= settings.min_rows:
            detail = f"{cold} rows lack {WARMUP_BARS} bars of history; {len(train)} left, {settings.min_rows} needed"
            raise Skip(SkipReason.INSUFFICIENT_HISTORY, detail)
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, f"{len(train)} labelled rows, {settings.min_rows} needed")
    if not len(scored):
        detail = f"no bar from {window.end} on has {settings.horizon_bars} bars after it"
        raise Skip(SkipReason.INSUFFICIENT_FUTURE_DATA, detail)
    return Rows(train, scored)


def train_teacher(history: History, window: Window, settings: TrainingSettings, device: str) -> TaughtWindow:
    """Fit the window's teacher and its purged out-of-fold probabilities. Raises Skip."""
    rows = select_rows(history, window, settings)
    labels = history.labels
    t0, t1, y = labels.t0[rows.train], labels.t1[rows.train], labels.y[rows.train]
    x = history.features[t0]
    split = split_tail(t0, t1)
    if not len(split.fit):
        detail = f"all {len(t0)} rows overlap the early-stopping tail at a horizon of {settings.horizon_bars} bars"
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, detail)
    _require_both_classes(y[split.fit])
    unique = uniqueness(t0, t1)
    weight = unique / unique.mean()
    teacher = teachers.fit_teacher(x, y, weight, split, settings.seed, device)
    folds = purged_folds(t0, t1)
    probability = teachers.out_of_fold(x, y, weight, folds, teacher.rounds, settings.seed, device)
    prior = float(np.average(y, weights=weight))
    metrics: dict[str, Metric] = {
        "tail_log_loss": teacher.tail_log_loss,
        "tail_prior_log_loss": log_loss(y[split.tail], np.full(len(split.tail), _clip(y[split.fit].mean()))),
        "out_of_fold_log_loss": log_loss(y, probability),
        "prior_log_loss": log_loss(y, np.full(len(y), _clip(prior))),
        "rounds": teacher.rounds,
        "rows": len(y),
        "positives": int(y.sum()),
        "effective_rows": float(unique.sum()),
    }
    return TaughtWindow(teacher, rows, split, weight, probability, metrics)


def train_student(
    history: History, window: Window, settings: TrainingSettings, out_of_fold: Floats, teacher_scored: Floats
) -> TrainedStudent:
    """Fit the window's student on labels mixed with out-of-fold teacher probabilities, and score the bars after it.

    Args: out_of_fold, one value a training row; teacher_scored, the teacher's probability for each scored row.
    """
    rows = select_rows(history, window, settings)
    labels = history.labels
    y, x = labels.y[rows.train], history.features[labels.t0[rows.train]]
    # Summing to the effective number of rows: a label that overlaps four others counts a fifth against the penalty.
    weight = uniqueness(labels.t0[rows.train], labels.t1[rows.train])
    coefficients, intercept, fill = students.fit_logistic(
        x, students.target(y, out_of_fold, settings.distill_weight), weight
    )
    cost = round_trip_cost(settings)
    model = StudentModel(
        features=FEATURE_NAMES,
        coefficients=tuple(coefficients.tolist()),
        intercept=intercept,
        fill=tuple(fill.tolist()),
        trade_above=students.trade_threshold(y, labels.forward_return[rows.train], cost),
    )
    scored = students.score(model, history.features[labels.t0[rows.scored]])
    prior = _clip(float(np.average(y, weights=weight)))
    truth = labels.y[rows.scored]
    metrics: dict[str, Metric] = {
        "rows": len(y),
        "scored_rows": len(truth),
        "scored_log_loss": log_loss(truth, scored),
        "scored_prior_log_loss": log_loss(truth, np.full(len(truth), prior)),
        "scored_teacher_log_loss": log_loss(truth, teacher_scored),
    }
    return TrainedStudent(model, prior, rows.scored, scored, teacher_scored, metrics)


def round_trip_cost(settings: TrainingSettings) -> float:
    """Fees, taxes and two sides of slippage, as a fraction."""
    return (settings.cost_bps + 2.0 * settings.slippage_bps) / 1e4


def label_columns(history: History, taught: TaughtWindow) -> dict[str, NDArray[np.generic] | list[str]]:
    """The columns of `labels.csv.gz` after symbol: one value a training row, raw indicators in price units."""
    bars, labels, train = history.series, history.labels, taught.rows.train
    t0 = labels.t0[train]
    part = np.full(len(train), "fit", dtype=object)
    part[taught.split.purged] = "purged"
    part[taught.split.tail] = "tail"
    prices = {name: getattr(bars, name)[t0] for name in ("open", "high", "low", "close", "volume")}
    return {
        "session": bars.session[t0].astype(np.int32),
        "timestamp": bars.timestamp[t0],
        "label_end": bars.timestamp[labels.t1[train]],
        **prices,
        **{name: history.raw[name][t0] for name in RAW_INDICATORS},
        "label": labels.y[train],
        "forward_return": labels.forward_return[train],
        "weight": taught.weight,
        "part": part.tolist(),
        "teacher_out_of_fold": taught.out_of_fold,
    }


def _clip(probability: float) -> float:
    return min(max(probability, teachers.EPSILON), 1.0 - teachers.EPSILON)


def _require_both_classes(y: NDArray[np.int8]) -> None:
    ones = int(y.sum())
    if min(ones, len(y) - ones) < MIN_CLASS_ROWS:
        detail = f"{ones} of {len(y)} fitted rows are positive; at least {MIN_CLASS_ROWS} of each class are needed"
        raise Skip(SkipReason.SINGLE_CLASS, detail)
