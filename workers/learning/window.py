"""Train a window's teacher from bars in memory; selects and orders its rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import CLASS, VALUE
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Certificate, KnownLabels
from schemas.contract.errors import DataError
from schemas.contract.task import Metric
from schemas.contract.window import MIN_CLASS_ROWS, SkipReason, Window
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take, to_host
from workers.features.chosen import names_of
from workers.features.indicators import namespace
from workers.learning.certificate import Spans, certify
from workers.learning.computed_again import changed_without_later_bars
from workers.learning.history import History, Rows, learned_rows, select_rows
from workers.learning.privileged import CROSS_SECTION_NAMES, PATH_NAMES, cross_section
from workers.learning.sample import Sample, SymbolInputs, sample_of
from workers.learning.skip import Skip
from workers.learning.splits import TailSplit, blocks, held_out_sets, split_tail
from workers.learning.student import TeacherTargets
from workers.learning.teacher import Teacher, fit_teacher, out_of_fold_predictions
from workers.models.base import Recipe
from workers.models.registry import type_of
from workers.scoring.family import Family, LabelValues


@dataclass(frozen=True)
class TrainedTeacher:
    """Result of training a teacher. Arrays have one value per training row, in order of decision, then symbol.

    `own`, `without` and `fitted_by` come from `teacher.out_of_fold_predictions`; `held_out` are the blocks that each of
    its models does not know.
    """

    teacher: Teacher
    features: tuple[str, ...]
    sample: Sample
    split: TailSplit
    block: NDArray[np.int8]
    own: Floats
    without: Floats | None
    fitted_by: Ints
    held_out: tuple[tuple[int, ...], ...]
    certificate: Certificate
    prior: float
    metrics: dict[str, Metric]

    @property
    def offsets(self) -> dict[str, float]:
        """The logit that predictions of each symbol start from."""
        return dict(zip(self.sample.symbols, self.teacher.offsets.tolist(), strict=True))

    def targets(self, symbols: tuple[str, ...]) -> TeacherTargets:
        """Out-of-fold predictions for the student of these symbols."""
        members = [self.sample.symbols.index(symbol) for symbol in symbols]
        mine = np.flatnonzero(np.isin(self.sample.member, members))
        names = np.array(self.sample.symbols, dtype=object)[self.sample.member[mine]]
        without = None if self.without is None else self.without[mine]
        block, fitted_by = self.block[mine].astype(np.int64), self.fitted_by[mine]
        return TeacherTargets(names, self.sample.row[mine], block, fitted_by, self.own[mine], without)


def teacher_features(settings: TrainingSettings) -> tuple[str, ...]:
    """Names of a teacher's inputs: the student's, then the privileged ones."""
    path = PATH_NAMES if "path" in settings.privileged else ()
    return (
        names_of(settings.feature_set) + path + (CROSS_SECTION_NAMES if "cross-section" in settings.privileged else ())
    )


def teacher_inputs(histories: Mapping[str, History], settings: TrainingSettings) -> SymbolInputs:
    """Teacher's inputs at a symbol's label positions, on the device, in the precision that teachers learn from."""
    columns: dict[str, Floats] = {}
    if "cross-section" in settings.privileged:
        instants = [history.series.timestamp for history in histories.values()]
        returns = [history.returns for history in histories.values()]
        members = [history.series.member for history in histories.values()]
        columns = dict(zip(histories, cross_section(instants, returns, members), strict=True))

    def at(symbol: str, row: Ints) -> Array:
        history = histories[symbol]
        t0 = history.labels.t0[row]
        x = take(history.features, t0).astype(np.float32)
        extra = [history.path[row]] + ([columns[symbol][t0]] if columns else [])
        seen = np.concatenate(extra, axis=1)
        if seen.shape[1]:
            xp = namespace(x)
            x = xp.concatenate([x, xp.asarray(seen.astype(np.float32))], axis=1)
        return x

    return at


def fit_window_teacher(
    histories: Mapping[str, History],
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, KnownLabels],
    device: str,
) -> TrainedTeacher:
    """Fit the teacher of a window's symbols, certify its rows, and predict each row out of fold.

    A symbol of a panel that has no rows is left out. `counts`: the known labels of every symbol of the run, which the
    base rates follow from. Raises Skip, and DataError for a leak.
    """
    rows = training_rows(histories, window, settings)
    members = {symbol: histories[symbol] for symbol in rows}
    inputs = teacher_inputs(histories, settings)
    sample = sample_of(members, rows, inputs, counts, settings.horizon_bars, settings.target)
    split, block = split_tail(sample.t0, sample.t1, settings.embargo_bars), blocks(sample.t0)
    if not len(split.fit):
        detail = f"all {len(sample)} rows overlap the early-stopping tail at a horizon of {settings.horizon_bars} bars"
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, detail)
    require_labels_that_differ(sample.y[split.fit], sample.family)
    model_type = type_of(settings.teacher)
    device = device if model_type.on_gpu else "cpu"
    recipe = Recipe(settings.parameters("teacher"), settings.seed, device, settings.target)
    x = sample.x if model_type.on_gpu else to_host(sample.x)
    teacher = fit_teacher(sample, x, split, model_type, recipe)
    # Only the labels of a student that learns from predictions need models without pairs of blocks.
    pairs = bool(settings.privileged)
    own, without, fitted_by = out_of_fold_predictions(
        sample, x, block, settings.embargo_bars, model_type, recipe, pairs
    )
    del x  # before the features are computed again
    held_out = tuple(held_out_sets(pairs))
    certificate = _certify(histories, sample, split, block, fitted_by, held_out, window, settings)
    if certificate.violations:
        raise DataError(f"{window.label} leaks: {'; '.join(certificate.violations)}; report this, nothing was stored")
    family, key = sample.family, sample.family.loss.key
    base_rate = family.prediction(teacher.offsets[sample.member])
    prior = float(np.average(base_rate, weights=sample.weight))
    metrics: dict[str, Metric] = {
        f"tail_{key}": teacher.tail_loss,
        f"tail_prior_{key}": teacher.tail_prior_loss,
        f"out_of_fold_{key}": family.mean_loss(sample.y, own),
        f"prior_{key}": family.mean_loss(sample.y, base_rate),
        "rounds": teacher.rounds,
        "rows": len(sample),
        **({"positives": int(sample.y.sum())} if sample.target == CLASS else {"mean_label": float(sample.y.mean())}),
        "effective_rows": float(sample.weight.sum()),
    }
    return TrainedTeacher(
        teacher, teacher_features(settings), sample, split, block, own, without, fitted_by, held_out,
        certificate, prior, metrics,
    )  # fmt: skip


def training_rows(histories: Mapping[str, History], window: Window, settings: TrainingSettings) -> dict[str, Rows]:
    """Rows of each symbol that has some. Raises the first symbol's Skip if none has.

    A panel with a universe by date learns from names that have left it as well: without their rows it would learn from
    survivors alone.
    """
    rows, skips, left = {}, [], {}
    for symbol, history in histories.items():
        try:
            rows[symbol] = select_rows(history, window, settings)
        except Skip as skip:
            skips.append(skip)
            learned = learned_rows(history, window, settings) if settings.members is not None else None
            if learned is not None and len(learned.train):
                left[symbol] = learned
    if not rows:
        raise skips[0]
    return {symbol: (rows | left)[symbol] for symbol in histories if symbol in rows or symbol in left}


def _certify(
    histories: Mapping[str, History], sample: Sample, split: TailSplit, block: NDArray[np.int8], fitted_by: Ints,
    held_out: tuple[tuple[int, ...], ...], window: Window, settings: TrainingSettings,
) -> Certificate:  # fmt: skip
    decided, ended, ended_day = np.zeros((3, len(sample)), dtype=np.int64)
    for symbol, mine in zip(sample.symbols, sample.places, strict=True):
        series, labels = histories[symbol].series, histories[symbol].labels
        t0, t1 = labels.t0[sample.row[mine]], labels.t1[sample.row[mine]]
        decided[mine], ended[mine], ended_day[mine] = series.timestamp[t0], series.timestamp[t1], series.session[t1]
    part = np.full(len(sample), "fit", dtype=object)
    part[split.purged], part[split.tail] = "purged", "tail"
    rows = {symbol: sample.row[mine] for symbol, mine in zip(sample.symbols, sample.places, strict=True)}
    found = changed_without_later_bars(histories, rows, settings)
    spans = Spans(decided, ended, ended_day, part.tolist(), block.astype(np.int64), fitted_by)
    return certify(window.span.label, window.end, spans, held_out, found)


def require_labels_that_differ(y: LabelValues, family: Family) -> None:
    """Raise Skip unless there are a few rows of each class, or values that differ."""
    if family.can_fit(y, MIN_CLASS_ROWS):
        return
    if family.target == VALUE:
        raise Skip(SkipReason.CONSTANT_LABEL, f"the labels of all {len(y)} fitted rows are equal or too few")
    ones = int(y.sum())
    detail = f"{ones} of {len(y)} fitted rows are positive; at least {MIN_CLASS_ROWS} of each class are needed"
    raise Skip(SkipReason.SINGLE_CLASS, detail)
