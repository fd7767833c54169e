"""Train a window's student from bars in memory, and score the bars after the window with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schemas.config.model_kinds import PLAIN
from schemas.config.target import CLASS
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import KnownLabels, Serving
from schemas.contract.errors import DataError
from schemas.contract.task import Metric
from schemas.contract.window import Window
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints
from workers.devices.arrays import take, to_host
from workers.learning.history import History
from workers.learning.sample import Sample, places_of, sample_of
from workers.learning.student import (
    FittedStudent,
    StudentData,
    TeacherTargets,
    fit_student,
    judge,
    rewards,
    student_data,
    trade_threshold,
    value_threshold,
)
from workers.learning.window import require_labels_that_differ, teacher_inputs, training_rows
from workers.models.base import Model
from workers.models.xgboost import clip
from workers.scoring.family import LabelValues

# Horizons within which rows count as dependent where a model's slope is judged.
CLUSTER_HORIZONS = 2


@dataclass(frozen=True)
class ScoredRows:
    """Scored rows of a student's symbols, in order of decision, then symbol, with one value per row in each array.

    `row` is the position in the labels of the symbol with the number `member`.
    """

    symbols: tuple[str, ...]
    member: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def places(self) -> list[Ints]:
        """The places of each symbol's rows."""
        return places_of(self.member, len(self.symbols))

    def first(self, rows: int) -> "ScoredRows":
        """The first `rows` rows."""
        return ScoredRows(self.symbols, self.member[:rows], self.row[:rows])


@dataclass(frozen=True)
class TeacherScores:
    """What a window's teacher predicts for each scored row: its offset, and the margin that it adds."""

    offset: Floats
    margin: Floats


@dataclass(frozen=True)
class TrainedStudent:
    """Result of training a student. `scored_*`, `prior` and `window_share` have one value per scored row.

    `prior` is the base rate; `window_share` the share of positives over the window's own rows, a weaker baseline; the
    mappings have both per scored symbol. Of values they are the historical mean and the mean of the window's own rows.
    """

    fitted: FittedStudent
    serving: Serving
    priors: dict[str, float]
    window_shares: dict[str, float]
    data: StudentData
    scored: ScoredRows
    y: LabelValues
    prior: Floats
    window_share: Floats
    scored_student: Floats
    scored_alone: Floats
    scored_logistic: Floats
    scored_teacher: Floats
    metrics: dict[str, Metric]


def scored_rows(histories: Mapping[str, History], window: Window, settings: TrainingSettings) -> ScoredRows:
    """The rows after a window that its student is scored on. Raises Skip if no symbol of `histories` can be trained."""
    rows = training_rows(histories, window, settings)
    row = [each.scored for each in rows.values()]
    decided = [
        histories[symbol].series.timestamp[histories[symbol].labels.t0[each]]
        for symbol, each in zip(rows, row, strict=True)
    ]
    member = np.repeat(np.arange(len(rows)), [len(each) for each in row])
    order = np.lexsort((member, np.concatenate(decided)))
    return ScoredRows(tuple(rows), member[order], np.concatenate(row)[order])


def teacher_scores(
    teacher: Model,
    offsets: Mapping[str, float],
    histories: Mapping[str, History],
    rows: ScoredRows,
    settings: TrainingSettings,
) -> TeacherScores:
    """What a teacher predicts for scored rows; `offsets` has what it starts from for each symbol."""
    margin, inputs = np.empty(len(rows)), teacher_inputs(histories, settings)
    for symbol, mine in zip(rows.symbols, rows.places, strict=True):
        if len(mine):
            # A stored model predicts on the CPU; XGBoost would copy rows back from a GPU with a warning.
            margin[mine] = teacher.margin(to_host(inputs(symbol, rows.row[mine])))
    return TeacherScores(np.array([offsets[symbol] for symbol in rows.symbols])[rows.member], margin)


def fit_window_student(
    histories: Mapping[str, History],
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, KnownLabels],
    targets: TeacherTargets,
    scored: ScoredRows,
    teacher: TeacherScores,
) -> TrainedStudent:
    """Fit the window's student with and without its teacher, and score the bars after the window with both.

    `histories` has the symbols that it learns from; `counts` as for the teacher. Raises Skip.
    """
    data = _student_data(histories, window, settings, counts, targets)
    family = data.sample.family
    require_labels_that_differ(data.sample.y, family)
    fitted, alone = fit_student(data, settings)
    plain = alone
    if settings.student != PLAIN[settings.target]:
        plain = judge(data, 0.0, settings.with_student(PLAIN[settings.target])).student
    x, y = scored_inputs(histories, scored)
    offset = data.offset[-1, scored.member]
    margins = [each.model.margin(x) for each in (fitted, alone, plain)]
    margins[0] = margins[0] + fitted.teacher.factor * teacher.margin
    student, without, logistic = (family.prediction(offset + each) for each in margins)
    by_teacher = family.prediction(teacher.offset + teacher.margin)
    priors = dict(zip(scored.symbols, family.prediction(data.offset[-1]).tolist(), strict=True))
    shares = {symbol: _window_share(histories[symbol], window, data, number) for number, symbol in enumerate(priors)}
    prior = np.array(list(priors.values()))[scored.member]
    window_share = np.array(list(shares.values()))[scored.member]
    is_scored = {symbol for symbol, mine in zip(scored.symbols, scored.places, strict=True) if len(mine)}
    priors, shares = ({symbol: each[symbol] for symbol in each if symbol in is_scored} for each in (priors, shares))
    key = family.loss.key
    metrics = _metrics(data, fitted) | {
        "scored_rows": len(y),
        f"scored_{key}": family.mean_loss(y, student),
        f"scored_alone_{key}": family.mean_loss(y, without),
        f"scored_prior_{key}": family.mean_loss(y, prior),
        f"scored_window_share_{key}": family.mean_loss(y, window_share),
        f"scored_teacher_{key}": family.mean_loss(y, by_teacher),
    }
    return TrainedStudent(
        fitted, _serving(histories, data, fitted, settings), priors, shares, data, scored, y, prior, window_share,
        student, without, logistic, by_teacher, metrics,
    )  # fmt: skip


def scored_inputs(histories: Mapping[str, History], scored: ScoredRows) -> tuple[Floats, LabelValues]:
    """Features, shape (rows, features), and labels of the scored rows."""
    x = np.empty((len(scored), histories[scored.symbols[0]].features.shape[1]))
    y = np.empty(len(scored), dtype=histories[scored.symbols[0]].labels.y.dtype)
    for symbol, mine in zip(scored.symbols, scored.places, strict=True):
        if len(mine):
            x[mine] = features_at(histories[symbol], scored.row[mine])
            y[mine] = histories[symbol].labels.y[scored.row[mine]]
    return x, y


def features_at(history: History, row: Ints) -> Floats:
    """Features at positions of a symbol's labels, shape (positions, features), on the host."""
    return to_host(take(history.features, history.labels.t0[row]))


def _metrics(data: StudentData, fitted: FittedStudent) -> dict[str, Metric]:
    kept, teacher, family = fitted.shrinkage, fitted.teacher, data.sample.family
    base_rate = family.prediction(data.offset[-1, data.sample.member])
    return {
        "rows": len(data.sample),
        "taught": fitted.taught,
        "teacher_weight": fitted.taught_weight,
        "base_rate" if family.target == CLASS else "historical_mean": float(
            np.average(base_rate, weights=data.sample.weight)
        ),
        "shrinkage": kept.kept,
        "slope": kept.slope,
        "slope_error": kept.error,
        "teacher_shrinkage": teacher.kept,
        "teacher_slope": teacher.slope,
        "teacher_slope_error": teacher.error,
        f"out_of_fold_{family.loss.key}": fitted.out_of_fold_loss,
    }


def _serving(
    histories: Mapping[str, History], data: StudentData, fitted: FittedStudent, settings: TrainingSettings
) -> Serving:
    """What turns margins into predictions and trades. An unsure student with an unsure teacher makes no trade."""
    sample = data.sample
    unsure = not (fitted.shrinkage.sure or fitted.teacher.sure)
    earned = _of_labels(histories, sample, "forward_return")
    cost = settings.round_trip_cost
    threshold = trade_threshold if sample.target == CLASS else value_threshold
    panel = None if unsure else threshold(sample.y, earned, cost)
    above: dict[str, float | None] = {}
    for symbol, mine in zip(sample.symbols, sample.places, strict=True):
        same = np.ptp(sample.y[mine]) == 0
        above[symbol] = None if unsure else panel if same else threshold(sample.y[mine], earned[mine], cost)
    return Serving(
        offsets=dict(zip(sample.symbols, data.offset[-1].tolist(), strict=True)),
        panel_offset=data.panel_offset,
        trade_above=above,
        panel_trade_above=panel,
        teacher_factor=fitted.teacher.factor,
        target=sample.target,
    )


def _student_data(
    histories: Mapping[str, History],
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, KnownLabels],
    targets: TeacherTargets,
) -> StudentData:
    """What a window's student is fitted on. DataError if its teacher was fitted on other rows."""
    rows = training_rows(histories, window, settings)
    members = {symbol: histories[symbol] for symbol in rows}
    # Weights sum to the effective number of rows: a label that overlaps four others counts a fifth against the penalty.
    sample = sample_of(
        members, rows, lambda symbol, row: features_at(histories[symbol], row), counts, settings.horizon_bars,
        settings.target,
    )  # fmt: skip
    names = np.array(sample.symbols, dtype=object)[sample.member]
    if not (np.array_equal(sample.row, targets.row) and np.array_equal(names, targets.symbol)):
        raise DataError(f"{window.label}: its teacher was trained on other bars; remove the window and resume the run")
    reward = np.ones(len(sample))
    if settings.reward_weights:
        earned, sigma = (_of_labels(histories, sample, name) for name in ("net_return", "sigma"))
        reward = rewards(earned, sigma, settings.horizon_bars)
    return student_data(sample, reward, targets, settings.horizon_bars, CLUSTER_HORIZONS)


def _of_labels(histories: Mapping[str, History], sample: Sample, name: str) -> Floats:
    """A column of the labels of each row of a sample."""
    result = np.empty(len(sample))
    for symbol, mine in zip(sample.symbols, sample.places, strict=True):
        result[mine] = getattr(histories[symbol].labels, name)[sample.row[mine]]
    return result


def _window_share(history: History, window: Window, data: StudentData, member: int) -> float:
    """Share of positives, or mean, of the training rows of the window's own days; 0.5, or 0, if it has none."""
    sample = data.sample
    mine = sample.places[member]
    decided = history.series.session[history.labels.t0[sample.row[mine]]]
    own = decided >= day_number(window.start)
    is_class = sample.target == CLASS
    if not own.any():
        return 0.5 if is_class else 0.0
    mean = float(np.average(sample.y[mine][own], weights=sample.weight[mine][own]))
    return clip(mean) if is_class else mean
