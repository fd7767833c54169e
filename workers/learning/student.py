"""Fit a window's student on labels mixed with its teacher's out-of-fold predictions; choose and shrink out of fold.

Every choice has "no teacher" among its candidates. A student's logit is the base rate's plus `factor` times its model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from schemas.config.training import TrainingSettings
from schemas.contract.window import MIN_CLASS_ROWS
from workers.bars.series import Floats, Ints
from workers.learning.splits import BLOCKS
from workers.models.base import Model
from workers.models.logistic import newton
from workers.models.registry import MODEL_TYPES
from workers.scoring.log_loss import log_losses

WEIGHTS = (0.5, 1.0)  # weights of the teacher in the target, besides no teacher
TEMPERATURES = (1.0, 2.0)
MAX_REWARD = 3.0
# Standard deviation, in logits, of what a student is expected to add to the base rate before the evidence. Larger
# values find more in reverting prices and cost more on random walks; docs/method.md has the figures.
EXPECTED_LOGIT = 0.1
# Nats per row; a smaller gain is rounding.
LEAST_GAIN = 1e-6
SLOPE_RIDGE = 1e-6


@dataclass(frozen=True)
class StudentData:
    """Training data of a student: one symbol's labelled rows in time order, with their out-of-fold predictions.

    `out_of_fold`, shape (rows, BLOCKS), and `fitted_by` come from `teacher.out_of_fold_predictions`. `weight` is the
    uniqueness of each row; `reward`, of mean 1, is a second weight of the fit alone.

    `offset` has the logit of the symbol's base rate without the rows that a student of each block is not fitted on,
    and last that of all labels known by then: shape (BLOCKS + 1,). Rows of one `cluster` count as dependent.
    """

    x: Floats
    y: NDArray[np.int8]
    weight: Floats
    reward: Floats
    block: Ints
    fitted_by: Ints
    out_of_fold: Floats
    offset: Floats
    cluster: Ints


@dataclass(frozen=True)
class Mix:
    """A target: labels mixed with predictions of weight `teacher`, whose logits are divided by `temperature`."""

    teacher: float
    temperature: float


NO_TEACHER = Mix(0.0, 1.0)


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
        """What the model's margin is multiplied by; 0 makes the student flat: it predicts the base rate."""
        return self.kept * (self.slope or 0.0)


@dataclass(frozen=True)
class FittedStudent:
    """A shrunk student, the target that it was fitted on, and the shrunk margins' out-of-fold log loss."""

    model: Model
    mix: Mix
    shrinkage: Shrinkage
    out_of_fold_log_loss: float | None


def probability(margin: Floats) -> Floats:
    """The logistic function."""
    result: Floats = expit(margin)
    return result


def target(y: NDArray[np.int8], teacher: Floats, mix: Mix) -> Floats:
    """(1 - w) * label + w * teacher, softened: the label in [0, 1] to fit. `teacher` must be out of fold."""
    inner = np.clip(teacher, 1e-6, 1.0 - 1e-6)
    softened = probability(np.log(inner / (1.0 - inner)) / mix.temperature)
    result: Floats = (1.0 - mix.teacher) * y + mix.teacher * softened
    return result


def candidates(settings: TrainingSettings) -> list[Mix]:
    """The targets to choose from, no teacher first; a single one where the settings name it."""
    weights = WEIGHTS if settings.distill_weight is None else (settings.distill_weight,)
    temperatures = TEMPERATURES if settings.temperature is None else (settings.temperature,)
    mixes = [Mix(weight, temperature) for weight in weights if weight for temperature in temperatures]
    free = settings.distill_weight is None or not mixes
    return [NO_TEACHER, *mixes] if free else mixes


def fit_student(data: StudentData, mixes: list[Mix], settings: TrainingSettings) -> tuple[FittedStudent, FittedStudent]:
    """Fit the student of the best mix and the one without a teacher; returns (student, alone).

    The best mix has the lowest out-of-fold log loss. Losses are compared after shrinkage; otherwise a soft target
    wins only by being less confident. A teacher is used only where it lowers the loss by more than one standard
    error: the best of several candidates looks better than it is. Both students are fitted on all rows; the first of
    equal mixes wins.
    """
    judged = {mix: out_of_fold(data, mix, settings) for mix in dict.fromkeys([*mixes, NO_TEACHER])}
    kept = {mix: each.shrinkage() for mix, each in judged.items()}
    losses = {mix: each.log_loss(kept[mix]) for mix, each in judged.items()}
    chosen = min(mixes, key=lambda mix: losses[mix])
    if NO_TEACHER in mixes and not _helps(judged, kept, chosen):
        chosen = NO_TEACHER
    alone, fitted = (_fit_on_all_rows(data, mix, kept[mix], losses[mix], settings) for mix in (NO_TEACHER, chosen))
    return fitted, alone


@dataclass(frozen=True)
class OutOfFold:
    """Margins beside the offset, by students that were not fitted on the row's block; one value per row."""

    margin: Floats
    offset: Floats
    y: NDArray[np.int8]
    weight: Floats
    cluster: Ints

    def shrinkage(self) -> Shrinkage:
        """How much of the margins to keep."""
        return shrinkage(self.margin, self.offset, self.y, self.weight, self.cluster)

    def log_loss(self, kept: Shrinkage) -> float:
        """Weighted mean log loss of the shrunk margins; infinite where there is no row."""
        return float(np.average(self.losses(kept), weights=self.weight)) if len(self.y) else np.inf

    def losses(self, kept: Shrinkage) -> Floats:
        """Log loss of each row."""
        return log_losses(self.y, probability(self.offset + kept.factor * self.margin))


def out_of_fold(data: StudentData, mix: Mix, settings: TrainingSettings) -> OutOfFold:
    """Predict each block with a student that was not fitted on it; a block is left out if no student can be fitted."""
    rows, margins = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for block in range(BLOCKS):
        held = np.flatnonzero(data.block == block)
        # The rows of the teacher that judged this block: the certificate covers them.
        fit = np.flatnonzero(data.fitted_by >> block & 1)
        ones = int(data.y[fit].sum())
        if len(held) and min(ones, len(fit) - ones) >= MIN_CLASS_ROWS:
            rows.append(held)
            model = _fit(data, fit, data.out_of_fold[fit, block], data.offset[block], mix, settings)
            margins.append(model.margin(data.x[held]))
    known = np.concatenate(rows)
    return OutOfFold(
        np.concatenate(margins), data.offset[data.block[known]], data.y[known], data.weight[known], data.cluster[known]
    )


def _helps(judged: Mapping[Mix, OutOfFold], kept: Mapping[Mix, Shrinkage], mix: Mix) -> bool:
    """Whether a mix lowers the log loss by more than one standard error. Weights sum to the independent rows."""
    alone, other = (judged[each].losses(kept[each]) for each in (NO_TEACHER, mix))
    weight = judged[mix].weight
    if not len(weight):
        return False
    saved = float(np.average(alone - other, weights=weight))
    variance = float(np.average((alone - other - saved) ** 2, weights=weight))
    return bool(saved > max(np.sqrt(variance / weight.sum()), LEAST_GAIN))


def _fit_on_all_rows(
    data: StudentData, mix: Mix, kept: Shrinkage, loss: float, settings: TrainingSettings
) -> FittedStudent:
    rows, offset = np.arange(len(data.y)), float(data.offset[-1])
    fitted = _fit(data, rows, data.out_of_fold[rows, data.block], offset, mix, settings)
    return FittedStudent(fitted.calibrated(kept.factor, offset), mix, kept, loss if np.isfinite(loss) else None)


def shrinkage(margin: Floats, offset: Floats, y: NDArray[np.int8], weight: Floats, cluster: Ints) -> Shrinkage:
    """How much to keep of the slope of labels on `margin` beside the offset: nothing of one within an error of 0.

    The product of two factors. `1 - error^2 / slope^2` is empirical Bayes' (James and Stein's, positive part);
    `d^2 / (d^2 + error^2)` the posterior mean's where the margins are expected to add d = EXPECTED_LOGIT, so that a
    large slope measured on few rows is not believed. The error allows for dependence within a cluster. The scale of
    the margins changes nothing.
    """
    ones, spread = int(y.sum()), _deviation(margin, weight)
    if min(ones, len(y) - ones) < MIN_CLASS_ROWS or spread < 1e-12:
        return Shrinkage(0.0, None, None)
    columns = np.column_stack([margin / spread, np.ones(len(margin))])
    added = newton(columns, y.astype(np.float64), weight, offset, np.full(2, SLOPE_RIDGE))
    error = _clustered_error(columns, y, weight, probability(offset + columns @ added), cluster)
    kept = 0.0
    if added[0] > error:
        kept = (1.0 - (error / added[0]) ** 2) * EXPECTED_LOGIT**2 / (EXPECTED_LOGIT**2 + error**2)
    return Shrinkage(float(kept), float(added[0]) / spread, error / spread)


def _deviation(margin: Floats, weight: Floats) -> float:
    """Weighted standard deviation; 0 without rows."""
    if not len(margin):
        return 0.0
    mean = np.average(margin, weights=weight)
    return float(np.sqrt(np.average((margin - mean) ** 2, weights=weight)))


def _clustered_error(columns: Floats, y: NDArray[np.int8], weight: Floats, p: Floats, cluster: Ints) -> float:
    """Standard error of the first coefficient of a logistic model, rows of one cluster dependent.

    Source: Cameron and Miller (2015), A practitioner's guide to cluster-robust inference, with G / (G - 1).
    """
    bread = np.linalg.inv((columns * (weight * p * (1.0 - p))[:, None]).T @ columns + SLOPE_RIDGE * np.eye(2))
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


def _fit(data: StudentData, rows: Ints, teacher: Floats, offset: float, mix: Mix, settings: TrainingSettings) -> Model:
    y = data.y[rows]
    soft = target(y, teacher, mix) if mix.teacher else y.astype(np.float64)
    weight = data.weight[rows] * data.reward[rows]
    return MODEL_TYPES[settings.student].fit(data.x[rows], soft, weight, np.full(len(rows), offset), settings.seed)


def trade_threshold(y: NDArray[np.int8], forward_return: Floats, cost: float) -> float | None:
    """Smallest probability at which a long trade pays its cost, from the training rows' mean gain and loss.

    Solves p * gain - (1 - p) * loss = cost; None where no probability up to 1 does. Returns and cost are fractions.
    """
    gain = float(forward_return[y == 1].mean())
    loss = -float(forward_return[y == 0].mean())
    if gain <= cost or gain + loss <= 0:
        return None
    return max((cost + loss) / (gain + loss), 0.0)
