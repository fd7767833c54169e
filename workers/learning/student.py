"""Fit a window's student beside the base rates, shrink it, and add its teacher as far as that is worth it.

All of it is judged out of fold. The margin of a row is `offset + factor * model + teacher's factor * teacher`; either
factor may be 0. It is the logit of a class, and of a value the prediction itself. A teacher with inputs that are not
known at a decision cannot be served: its predictions are mixed into the labels instead, if the student then predicts
better.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import CLASS
from schemas.config.training import TrainingSettings
from schemas.contract.window import MIN_CLASS_ROWS
from workers.bars.series import Floats, Ints
from workers.learning.base_rate import offsets_of
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS
from workers.models.base import Fit, Model, Recipe
from workers.models.linear import ridge
from workers.models.logistic import newton
from workers.models.registry import type_of
from workers.scoring.family import FAMILIES, Family, LabelValues

MAX_REWARD = 3.0
# Standard deviation, in logits, of what a model is expected to add before the evidence: a student of one symbol or a
# teacher beside its student, and a student of a panel. Larger values find more in reverting prices and cost more on
# random walks; docs/method.md has the figures.
EXPECTED_LOGIT, EXPECTED_LOGIT_OF_PANEL = 0.1, 0.3
# Where both classes are as likely, a margin of d logits explains a share d^2 / 4 of a label's variance: of a value, a
# margin is expected to add the same share, d / 2 of the deviation of labels around their offset.
DEVIATIONS_PER_LOGIT = 0.5
# Nats per row, and of values as a share of the error; a smaller gain is rounding.
LEAST_GAIN = 1e-6
# What a rank label counts for in a fit: symbols of one instant depend on each other, as half of them are 1. Measured in
# planted ranks, docs/method.md has the figures.
RANKED_ROW = 0.1
SLOPE_RIDGE = 1e-6
# Margins that vary by less are constant: in logits, and of values as a share of the labels' deviation.
LEAST_SPREAD = 1e-12
# A smaller share of a teacher's slope is not worth its trees: they would be stored and read to change nothing.
LEAST_TEACHER = 0.01


@dataclass(frozen=True)
class TeacherTargets:
    """A teacher's out-of-fold predictions for the rows of a student, in the student's order of rows.

    `own` is predicted by the model without the row's own block. `without`, shape (rows, BLOCKS), is by models that
    know neither the row's own block nor that of the column; only of a teacher with privileged inputs, else None.
    `symbol` and `row` identify the rows; bit b of `fitted_by` is set where the model without block b was fitted on the
    row.
    """

    symbol: NDArray[np.object_]
    row: Ints
    block: Ints
    fitted_by: Ints
    own: Floats
    without: Floats | None

    def fitted(self, block: int) -> NDArray[np.bool_]:
        """Rows that the teacher without a block was fitted on, which the certificate covers."""
        known: NDArray[np.bool_] = self.fitted_by >> block & 1 == 1
        return known

    def of(self, symbol: str) -> "TeacherTargets":
        """The rows of one symbol, for its own student."""
        mine = np.flatnonzero(self.symbol == symbol)
        return TeacherTargets(
            self.symbol[mine], self.row[mine], self.block[mine], self.fitted_by[mine], self.own[mine],
            None if self.without is None else self.without[mine],
        )  # fmt: skip


@dataclass(frozen=True)
class StudentData:
    """Training data of a student: labelled rows in order of decision, with their teacher's predictions.

    `reward`, of mean 1, is a second weight of the fit alone. Rows of one `cluster` count as dependent. `offset`, shape
    (BLOCKS + 1, members), has the logit of each member's base rate without the rows that a student of each block is
    not fitted on, and last that of all labels known by then; `panel_offset` is the panel's.
    """

    sample: Sample
    reward: Floats
    targets: TeacherTargets
    offset: Floats
    panel_offset: float
    cluster: Ints

    @property
    def block(self) -> Ints:
        """The block of each row."""
        return self.targets.block


@dataclass(frozen=True)
class Shrinkage:
    """Share of the slope of labels on a model's out-of-fold margins that is kept: 0 to 1.

    `slope` and `error`, its standard error, are None where the labels cannot show a slope; nothing is kept then.
    """

    kept: float
    slope: float | None
    error: float | None

    @property
    def factor(self) -> float:
        """What the model's margin is multiplied by; 0 makes it add nothing."""
        return self.kept * (self.slope or 0.0) if self.kept else 0.0  # not -0

    @property
    def sure(self) -> bool:
        """Whether the slope is more than its standard error above 0: enough to trade on."""
        return self.slope is not None and self.error is not None and self.slope > self.error


NOTHING = Shrinkage(0.0, None, None)


@dataclass(frozen=True)
class FittedStudent:
    """A shrunk student.

    `taught_weight` is the weight of the teacher's predictions in its labels; `teacher` how much of the teacher's own
    margins is added. `out_of_fold_loss` is None without a row that could be judged.
    """

    model: Model
    taught_weight: float
    shrinkage: Shrinkage
    teacher: Shrinkage
    out_of_fold_loss: float | None

    @property
    def taught(self) -> bool:
        """Whether a teacher changes its predictions."""
        return self.taught_weight > 0 or self.teacher.factor > 0


def student_data(
    sample: Sample, reward: Floats, targets: TeacherTargets, horizon_bars: int, cluster_horizons: int
) -> StudentData:
    """Add the offsets of each block, and the clusters, to a student's rows."""
    everything = np.ones(len(sample), dtype=bool)
    known = [targets.fitted(block) for block in range(BLOCKS)]
    offsets = np.stack([sample.offsets(rows) for rows in (*known, everything)])
    _, panel = offsets_of(sample.known, sample.target)
    cluster = sample.t0 // (cluster_horizons * horizon_bars)
    return StudentData(sample, reward, targets, offsets, panel, cluster)


def target(y: LabelValues, teacher: Floats, weight: float) -> Floats:
    """(1 - w) * label + w * teacher: the label to fit. `teacher` must be out of fold."""
    result: Floats = (1.0 - weight) * y + weight * teacher
    return result


def fit_student(data: StudentData, settings: TrainingSettings) -> tuple[FittedStudent, FittedStudent]:
    """Fit a window's student, and the one without a teacher; returns (student, alone).

    With privileged inputs the teacher is mixed into the labels if that lowers the out-of-fold loss of the shrunk
    student; else its own margins are added, shrunk by their slope beside the shrunk student's.
    """
    alone = judge(data, 0.0, settings)
    if data.targets.without is None:
        return _beside_teacher(data, alone), alone.student
    if not settings.distill_weight:
        return alone.student, alone.student
    taught = judge(data, settings.distill_weight, settings)
    least = LEAST_GAIN if data.sample.target == CLASS else LEAST_GAIN * alone.loss
    return (taught if taught.loss < alone.loss - least else alone).student, alone.student


@dataclass(frozen=True)
class Judged:
    """A student, and its rows that were predicted by models not fitted on them: their margins beside `offset`."""

    student: FittedStudent
    rows: Ints
    margin: Floats
    offset: Floats

    @property
    def loss(self) -> float:
        """Out-of-fold loss; infinite without a row that could be judged."""
        return np.inf if self.student.out_of_fold_loss is None else self.student.out_of_fold_loss


def judge(data: StudentData, weight: float, settings: TrainingSettings) -> Judged:
    """Fit one model per block without it, shrink by what they predict of it, and fit one on all rows."""
    sample, targets = data.sample, data.targets
    fitted = sample.weight * data.reward * (RANKED_ROW if settings.label == "rank" else 1.0)
    judged = [block for block in range(BLOCKS) if _can_judge(data, block)]
    fits = (
        Fit(_soft(data, weight, block), np.where(targets.fitted(block), fitted, 0.0), data.offset[block, sample.member])
        for block in judged
    )
    whole = Fit(_soft(data, weight, None), fitted, data.offset[BLOCKS, sample.member])
    recipe = Recipe(settings.parameters("student"), settings.seed, target=settings.target)
    *models, model = type_of(settings.student).fit_many(sample, chain(fits, [whole]), recipe)
    parts = [np.flatnonzero(targets.block == block) for block in judged]
    rows = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    margin = _margins(data, dict(zip(judged, models, strict=True)))[rows]
    offset = data.offset[targets.block[rows], sample.member[rows]]
    expected = EXPECTED_LOGIT if len(sample.symbols) == 1 else EXPECTED_LOGIT_OF_PANEL
    kept = _slope(data, rows, margin, offset, expected)
    loss = _loss(data, rows, offset + kept.factor * margin)
    student = FittedStudent(model.scaled(kept.factor), weight, kept, NOTHING, loss)
    return Judged(student, rows, margin, offset)


def _can_judge(data: StudentData, block: int) -> bool:
    """Whether there are rows of a block, and enough labels that differ to fit the student without it."""
    known = data.targets.fitted(block)  # its student is fitted on the same rows
    return bool((data.block == block).any()) and data.sample.family.can_fit(data.sample.y[known], MIN_CLASS_ROWS)


def _margins(data: StudentData, models: Mapping[int, Model]) -> Floats:
    """Margin of each row by the model without its block; NaN where there is none."""
    margin = np.full(len(data.sample), np.nan)
    for mine, x in data.sample.parts():
        for block, model in models.items():
            own = data.block[mine] == block
            if own.any():
                margin[mine[own]] = model.margin(x[own])
    return margin


def _soft(data: StudentData, weight: float, block: int | None) -> Floats:
    """Targets of the student without a block, or of that of all rows."""
    y, targets = data.sample.y, data.targets
    if not weight:
        return y.astype(np.float64)
    assert targets.without is not None
    # The teacher must not know the block on which this student is judged; on its own rows of that block, unused.
    teacher = targets.own if block is None else np.where(targets.block == block, y, targets.without[:, block])
    return target(y, teacher, weight)


def _beside_teacher(data: StudentData, alone: Judged) -> FittedStudent:
    """The student with as much of its teacher's margins as their slope beside its own is sure of."""
    student, rows = alone.student, alone.rows
    before = alone.offset + student.shrinkage.factor * alone.margin
    margin = data.sample.family.margin(data.targets.own[rows]) - alone.offset
    kept = _slope(data, rows, margin, before, EXPECTED_LOGIT)
    if kept.kept < LEAST_TEACHER:
        kept = replace(kept, kept=0.0)
    return replace(student, teacher=kept, out_of_fold_loss=_loss(data, rows, before + kept.factor * margin))


def _slope(data: StudentData, rows: Ints, margin: Floats, offset: Floats, expected: float) -> Shrinkage:
    sample = data.sample
    y, weight = sample.y[rows], sample.weight[rows]
    return shrinkage(margin, offset, y, weight, data.cluster[rows], expected, sample.family)


def _loss(data: StudentData, rows: Ints, margin: Floats) -> float | None:
    """Weighted mean loss; None without a row."""
    if not len(rows):
        return None
    sample, family = data.sample, data.sample.family
    return float(np.average(family.losses(sample.y[rows], family.prediction(margin)), weights=sample.weight[rows]))


def shrinkage(
    margin: Floats, offset: Floats, y: LabelValues, weight: Floats, cluster: Ints, expected: float,
    family: Family = FAMILIES[CLASS],
) -> Shrinkage:  # fmt: skip
    """How much to keep of the slope of labels on `margin` beside the offset: nothing of one below 0.

    The product of two factors. `t^4 / (t^4 + 4)`, t = slope / error, is a smooth form of James and Stein's positive
    part, `1 - 1 / t^2`, and like it half at t = sqrt(2); but an unsure prediction still orders symbols.
    `d^2 / (d^2 + error^2)` is the posterior mean's where the margins are expected to add d = `expected` logits, so that
    a large slope measured on few rows is not believed. The error allows for dependence within a cluster. The scale of
    the margins changes nothing, and that of values neither.
    """
    spread, is_class = _deviation(margin, weight), family.target == CLASS
    least = LEAST_SPREAD * (1.0 if is_class else _deviation(y - offset, weight))
    if not family.can_fit(y, MIN_CLASS_ROWS) or spread <= least:
        return NOTHING
    columns = np.column_stack([margin / spread, np.ones(len(margin))])
    solve = newton if is_class else ridge
    added = solve(columns, y.astype(np.float64), weight, offset, np.full(2, SLOPE_RIDGE))
    fitted = family.prediction(offset + columns @ added)
    error = _clustered_error(columns, y, weight, fitted, family.curvature(fitted, weight), cluster)
    if not is_class:
        expected *= DEVIATIONS_PER_LOGIT * _deviation(y - offset, weight)
    kept = 0.0
    if added[0] > 0:
        sure = added[0] ** 4 / (added[0] ** 4 + 4.0 * error**4)
        kept = sure * expected**2 / (expected**2 + error**2)
    return Shrinkage(float(kept), float(added[0]) / spread, error / spread)


def _deviation(margin: Floats, weight: Floats) -> float:
    """Weighted standard deviation; 0 without rows."""
    if not len(margin):
        return 0.0
    mean = np.average(margin, weights=weight)
    return float(np.sqrt(np.average((margin - mean) ** 2, weights=weight)))


def _clustered_error(
    columns: Floats, y: LabelValues, weight: Floats, p: Floats, curvature: Floats, cluster: Ints
) -> float:
    """Standard error of the first coefficient of a generalized linear model, rows of one cluster dependent.

    Source: Cameron and Miller (2015), A practitioner's guide to cluster-robust inference, with G / (G - 1).
    """
    bread = np.linalg.inv((columns * curvature[:, None]).T @ columns + SLOPE_RIDGE * np.eye(2))
    _, number = np.unique(cluster, return_inverse=True)
    clusters = int(number.max()) + 1
    scores = [np.bincount(number, weights=column * weight * (y - p), minlength=clusters) for column in columns.T]
    meat = np.array([[float((one * other).sum()) for other in scores] for one in scores])
    variance = (bread @ meat @ bread)[0, 0] * clusters / max(clusters - 1, 1)
    return float(np.sqrt(variance))


def rewards(net_return: Floats, sigma: Floats, horizon_bars: int) -> Floats:
    """Weight per row: |net return| in units of the horizon's volatility, at most MAX_REWARD, scaled to mean 1.

    1 where the volatility is unknown. `sigma` is the volatility of one bar.
    """
    size = np.abs(net_return) / (sigma * np.sqrt(horizon_bars))
    size = np.where(np.isfinite(size), np.minimum(size, MAX_REWARD), 1.0)
    result: Floats = size / size.mean() if size.mean() > 0 else np.ones(len(size))
    return result


def value_threshold(y: Floats, forward_return: Floats, cost: float) -> float | None:
    """Smallest predicted value at which a long trade pays its cost, from the line of returns on labels.

    Where the training rows' returns are `a + b * label` on average, solves a + b * value = cost; None where labels are
    equal, or higher ones do not mean higher returns. For labels of 0 and 1 it is `trade_threshold`. Returns and cost
    are fractions.
    """
    away = y - y.mean()
    if not np.ptp(y) > 0 or (slope := float((away * forward_return).sum() / (away**2).sum())) <= 0:
        return None
    return float(y.mean() + (cost - forward_return.mean()) / slope)


def trade_threshold(y: LabelValues, forward_return: Floats, cost: float) -> float | None:
    """Smallest probability at which a long trade pays its cost, from the training rows' mean gain and loss.

    Solves p * gain - (1 - p) * loss = cost; None where no probability up to 1 does, or a class has no row. Returns and
    cost are fractions.
    """
    if not 0 < y.sum() < len(y):
        return None
    gain = float(forward_return[y == 1].mean())
    loss = -float(forward_return[y == 0].mean())
    if gain <= cost or gain + loss <= 0:
        return None
    return max((cost + loss) / (gain + loss), 0.0)
