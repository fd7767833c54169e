"""Train a window's teacher and student from bars in memory; selects and orders the rows of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.interval import is_intraday
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Certificate, LabelCount
from schemas.contract.errors import DataError
from schemas.contract.task import Metric
from schemas.contract.window import MIN_CLASS_ROWS, SkipReason, Window
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take, to_host
from workers.features.frame import frame_of
from workers.features.indicators import namespace
from workers.features.prefix_invariance import reads_ahead
from workers.features.registry import feature_names, model_features
from workers.learning.base_rate import symbol_offset
from workers.learning.certificate import Spans, certify
from workers.learning.history import History, Rows, select_rows
from workers.learning.privileged import CROSS_SECTION_NAMES, PATH_NAMES, cross_section
from workers.learning.skip import Skip
from workers.learning.splits import BLOCKS, TailSplit, blocks, held_out_sets, split_tail
from workers.learning.student import (
    NO_TEACHER,
    FittedStudent,
    StudentData,
    candidates,
    fit_student,
    probability,
    rewards,
    trade_threshold,
)
from workers.learning.teacher import Sample, Teacher, fit_teacher, out_of_fold_predictions
from workers.models.xgboost import clip
from workers.scoring.log_loss import log_loss

# Kind of student whose scores are stored beside those of the chosen kind.
BASELINE = "logistic"
# Horizons within which rows count as dependent where a student's slope is judged.
CLUSTER_HORIZONS = 2
# Largest difference of a feature, relative and absolute, between two computations of it on a GPU.
GPU_TOLERANCE = 1e-9


@dataclass(frozen=True)
class TrainedTeacher:
    """Result of training a teacher. Arrays have one value per training row, in order of decision, then symbol.

    `row` is a row's position in its symbol's labels; `out_of_fold` and `fitted_by` come from
    `teacher.out_of_fold_predictions`.
    """

    teacher: Teacher
    symbols: tuple[str, ...]
    features: tuple[str, ...]
    sample: Sample
    row: Ints
    split: TailSplit
    block: NDArray[np.int8]
    out_of_fold: Floats
    fitted_by: Ints
    certificate: Certificate
    prior: float
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class TeacherTargets:
    """A stored teacher's predictions for the student of one symbol, one value per training row in each array."""

    row: Ints
    block: Ints
    fitted_by: Ints
    out_of_fold: Floats


@dataclass(frozen=True)
class TrainedStudent:
    """Result of training a student. `scored_*` have one value per scored row, `reward` one per training row.

    `prior` is the base rate; `window_share` the share of positives over the window's own rows, a weaker baseline.
    """

    fitted: FittedStudent
    trade_above: float | None
    prior: float
    window_share: float
    rows: Rows
    reward: Floats
    scored_student: Floats
    scored_alone: Floats
    scored_logistic: Floats
    scored_teacher: Floats
    metrics: dict[str, Metric]


def teacher_features(settings: TrainingSettings) -> tuple[str, ...]:
    """Names of a teacher's inputs: the student's, then the privileged ones."""
    path = PATH_NAMES if "path" in settings.privileged else ()
    return feature_names() + path + (CROSS_SECTION_NAMES if "cross-section" in settings.privileged else ())


def teacher_inputs(
    histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings
) -> dict[str, Array]:
    """Teacher's inputs, shape (rows, features), at each symbol's label positions `rows`, on the teacher's device."""
    columns = {}
    if "cross-section" in settings.privileged:
        instants = [history.series.timestamp for history in histories.values()]
        returns = [to_host(history.features[:, feature_names().index("return_1")]) for history in histories.values()]
        columns = dict(zip(histories, cross_section(instants, returns), strict=True))
    result = {}
    for symbol, mine in rows.items():
        history = histories[symbol]
        t0 = history.labels.t0[mine]
        x = take(history.features, t0)
        extra = [history.path[mine]] + ([columns[symbol][t0]] if columns else [])
        seen = np.concatenate(extra, axis=1)
        if seen.shape[1]:
            xp = namespace(x)
            x = xp.concatenate([x, xp.asarray(seen)], axis=1)
        result[symbol] = x
    return result


def fit_window_teacher(
    histories: Mapping[str, History],
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, LabelCount],
    device: str,
) -> TrainedTeacher:
    """Fit the teacher of a window's symbols, certify its rows, and predict each row out of fold.

    A symbol of a panel that has no rows is left out. `counts`: the known labels of every symbol of the run, which the
    base rates follow from. Raises Skip, and DataError for a leak.
    """
    rows = training_rows(histories, window, settings)
    symbols = tuple(rows)
    sample, row = _sample({symbol: histories[symbol] for symbol in symbols}, rows, counts, settings)
    split, block = split_tail(sample.t0, sample.t1, settings.embargo_bars), blocks(sample.t0)
    if not len(split.fit):
        detail = f"all {len(sample)} rows overlap the early-stopping tail at a horizon of {settings.horizon_bars} bars"
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, detail)
    require_both_classes(sample.y[split.fit])
    teacher = fit_teacher(sample, split, settings.seed, device)
    out_of_fold, fitted_by = out_of_fold_predictions(sample, block, settings.embargo_bars, settings.seed, device)
    certificate = _certify(histories, symbols, sample, row, split, block, fitted_by, window, settings)
    if certificate.violations:
        raise DataError(f"{window.label} leaks: {'; '.join(certificate.violations)}; report this, nothing was stored")
    base_rate = probability(teacher.offsets[sample.member])
    prior = float(np.average(base_rate, weights=sample.weight))
    own = out_of_fold[np.arange(len(sample)), block]
    metrics: dict[str, Metric] = {
        "tail_log_loss": teacher.tail_log_loss,
        "tail_prior_log_loss": teacher.tail_prior_log_loss,
        "out_of_fold_log_loss": log_loss(sample.y, own),
        "prior_log_loss": log_loss(sample.y, base_rate),
        "rounds": teacher.rounds,
        "rows": len(sample),
        "positives": int(sample.y.sum()),
        "effective_rows": float(sample.weight.sum()),
    }
    return TrainedTeacher(
        teacher, symbols, teacher_features(settings), sample, row, split, block, out_of_fold, fitted_by, certificate,
        prior, metrics,
    )  # fmt: skip


def fit_window_student(
    history: History,
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, LabelCount],
    targets: TeacherTargets,
    teacher_scored: Floats,
) -> TrainedStudent:
    """Fit the window's student with and without its teacher, and score the bars after the window with both.

    `counts`: as for the teacher. `teacher_scored` is the teacher's probability per scored row. Raises Skip.
    """
    rows = select_rows(history, window, settings)
    labels = history.labels
    if rows.train.tolist() != targets.row.tolist():
        raise DataError(f"{window.label}: its teacher was trained on other bars; remove the window and resume the run")
    data = _student_data(history, window, rows, settings, counts, targets)
    train, y = rows.train, data.y
    fitted, alone = fit_student(data, candidates(settings), settings)
    plain = alone
    if settings.student != BASELINE:
        baseline = settings.model_copy(update={"student": BASELINE})
        _, plain = fit_student(data, [NO_TEACHER], baseline)
    x, truth = to_host(take(history.features, labels.t0[rows.scored])), labels.y[rows.scored]
    scored, scored_alone, scored_plain = (probability(each.model.margin(x)) for each in (fitted, alone, plain))
    prior = float(probability(data.offset[-1:])[0])
    window_share = _window_share(history, window, rows)
    kept = fitted.shrinkage
    metrics: dict[str, Metric] = {
        "rows": len(y),
        "scored_rows": len(truth),
        "teacher_weight": fitted.mix.teacher,
        "temperature": fitted.mix.temperature,
        "base_rate": prior,
        "shrinkage": kept.kept,
        "slope": kept.slope,
        "slope_error": kept.error,
        "out_of_fold_log_loss": fitted.out_of_fold_log_loss,
        "scored_log_loss": log_loss(truth, scored),
        "scored_alone_log_loss": log_loss(truth, scored_alone),
        "scored_prior_log_loss": log_loss(truth, np.full(len(truth), prior)),
        "scored_window_share_log_loss": log_loss(truth, np.full(len(truth), window_share)),
        "scored_teacher_log_loss": log_loss(truth, teacher_scored),
    }
    # A student that adds nothing to the base rate has no opinion on any bar, and makes no trade.
    trade_above = trade_threshold(y, labels.forward_return[train], settings.round_trip_cost) if kept.factor else None
    return TrainedStudent(
        fitted,
        trade_above,
        prior,
        window_share,
        rows,
        data.reward,
        scored,
        scored_alone,
        scored_plain,
        teacher_scored,
        metrics,
    )


def _student_data(
    history: History,
    window: Window,
    rows: Rows,
    settings: TrainingSettings,
    counts: Mapping[str, LabelCount],
    targets: TeacherTargets,
) -> StudentData:
    """What a symbol's student is fitted on. Raises Skip for labels of one class."""
    labels = history.labels
    train, y = rows.train, labels.y[rows.train]
    require_both_classes(y)
    # Weights sum to the effective number of rows: a label that overlaps four others counts a fifth against the penalty.
    weight = rows.weight
    reward = (
        rewards(labels.net_return[train], labels.sigma[train], settings.horizon_bars)
        if settings.reward_weights
        else np.ones(len(train))
    )
    x = to_host(take(history.features, labels.t0[train]))
    return StudentData(
        x, y, weight, reward, targets.block, targets.fitted_by, targets.out_of_fold,
        _offsets(counts, window.symbol, y, weight, targets.fitted_by),
        labels.t0[train] // (CLUSTER_HORIZONS * settings.horizon_bars),
    )  # fmt: skip


def _offsets(
    counts: Mapping[str, LabelCount], symbol: str, y: NDArray[np.int8], weight: Floats, fitted_by: Ints
) -> Floats:
    """Logit of a symbol's base rate for a student of each block, and last for one of all rows."""
    left = [fitted_by >> block & 1 == 0 for block in range(BLOCKS)]
    lacks = [LabelCount(float((weight * y)[each].sum()), float(weight[each].sum())) for each in left]
    return np.array([*(symbol_offset(counts, symbol, less) for less in lacks), symbol_offset(counts, symbol)])


def _window_share(history: History, window: Window, rows: Rows) -> float:
    """Share of positives among the training rows of the window's own days; 0.5 if it has none."""
    labels = history.labels
    own = history.series.session[labels.t0[rows.train]] >= day_number(window.start)
    if not own.any():
        return 0.5
    return clip(float(np.average(labels.y[rows.train][own], weights=rows.weight[own])))


def training_rows(histories: Mapping[str, History], window: Window, settings: TrainingSettings) -> dict[str, Rows]:
    """Rows of each symbol that has some. Raises the first symbol's Skip if none has."""
    rows, skips = {}, []
    for symbol, history in histories.items():
        try:
            rows[symbol] = select_rows(history, window, settings)
        except Skip as skip:
            skips.append(skip)
    if not rows:
        raise skips[0]
    return rows


def _sample(
    histories: Mapping[str, History],
    rows: Mapping[str, Rows],
    counts: Mapping[str, LabelCount],
    settings: TrainingSettings,
) -> tuple[Sample, Ints]:
    """Rows of all symbols in order of decision, then symbol, and the position of each in its symbol's labels."""
    axis = np.unique(np.concatenate([history.series.timestamp for history in histories.values()]))
    t0, t1, y, weight = [], [], [], []
    for symbol, each in rows.items():
        series, labels, row = histories[symbol].series, histories[symbol].labels, each.train
        on_axis = np.searchsorted(axis, series.timestamp)
        t0.append(on_axis[labels.t0[row]])
        # The whole horizon counts: a privileged path reads it to its end.
        t1.append(on_axis[labels.t0[row] + settings.horizon_bars])
        y.append(labels.y[row])
        weight.append(each.weight)
    train = {symbol: each.train for symbol, each in rows.items()}
    member = np.repeat(np.arange(len(rows)), [len(row) for row in train.values()])
    order = np.lexsort((member, np.concatenate(t0)))
    inputs = list(teacher_inputs(histories, train, settings).values())
    x = inputs[0]
    if len(inputs) > 1:
        x = namespace(x).concatenate(inputs)
        x = take(x, order)
    known = [counts[symbol] for symbol in rows] + [each for symbol, each in counts.items() if symbol not in rows]
    sample = Sample(
        x, np.concatenate(y)[order], np.concatenate(t0)[order], np.concatenate(t1)[order],
        np.concatenate(weight)[order], member[order], len(rows),
        np.array([each.positives for each in known]), np.array([each.total for each in known]),
    )  # fmt: skip
    return sample, np.concatenate(list(train.values()))[order]


def _certify(
    histories: Mapping[str, History], symbols: tuple[str, ...], sample: Sample, row: Ints, split: TailSplit,
    block: NDArray[np.int8], fitted_by: Ints, window: Window, settings: TrainingSettings,
) -> Certificate:  # fmt: skip
    decided, ended, ended_day = np.zeros((3, len(sample)), dtype=np.int64)
    found: list[str] = []
    for number, symbol in enumerate(symbols):
        mine = np.flatnonzero(sample.member == number)
        series, labels = histories[symbol].series, histories[symbol].labels
        t0, t1 = labels.t0[row[mine]], labels.t1[row[mine]]
        decided[mine], ended[mine], ended_day[mine] = series.timestamp[t0], series.timestamp[t1], series.session[t1]
        known = series.upto(int(t0[-1]) + 1)
        whole = histories[symbol].features
        again = model_features(frame_of(known, is_intraday(settings.interval), xp=namespace(whole)))
        tolerance = 0.0 if isinstance(whole, np.ndarray) else GPU_TOLERANCE
        changed = reads_ahead(to_host(take(whole, t0)), to_host(take(again, t0)), feature_names(), tolerance)
        found += [f"{symbol}: {each}" for each in changed]
    part = np.full(len(sample), "fit", dtype=object)
    part[split.purged], part[split.tail] = "purged", "tail"
    spans = Spans(decided, ended, ended_day, part.tolist(), block.astype(np.int64), fitted_by)
    return certify(window.span.label, window.end, spans, held_out_sets(), found)


def require_both_classes(y: NDArray[np.int8]) -> None:
    """Raise Skip unless there are a few rows of each class."""
    ones = int(y.sum())
    if min(ones, len(y) - ones) < MIN_CLASS_ROWS:
        detail = f"{ones} of {len(y)} fitted rows are positive; at least {MIN_CLASS_ROWS} of each class are needed"
        raise Skip(SkipReason.SINGLE_CLASS, detail)
