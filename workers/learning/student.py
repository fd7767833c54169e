"""Fit a window's student on labels mixed with its teacher's out-of-fold predictions; choose and calibrate out of fold.

Every choice has "no teacher" among its candidates.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from schemas.config.training import TrainingSettings
from schemas.contract.window import MIN_CLASS_ROWS
from workers.bars.series import Floats, Ints
from workers.learning.splits import BLOCKS
from workers.models.base import Model
from workers.models.registry import MODEL_TYPES
from workers.scoring.log_loss import log_losses

WEIGHTS = (0.5, 1.0)  # weights of the teacher in the target, besides no teacher
TEMPERATURES = (1.0, 2.0)
MAX_REWARD = 3.0
PLATT_C = 1.0


@dataclass(frozen=True)
class StudentData:
    """Training data of a student: one symbol's labelled rows in time order, with their out-of-fold predictions.

    `out_of_fold`, shape (rows, BLOCKS), and `fitted_by` come from `teacher.out_of_fold_predictions`. `weight` is the
    uniqueness of each row; `reward`, of mean 1, is a second weight of the fit alone.
    """

    x: Floats
    y: NDArray[np.int8]
    weight: Floats
    reward: Floats
    block: Ints
    fitted_by: Ints
    out_of_fold: Floats


@dataclass(frozen=True)
class Mix:
    """A target: labels mixed with predictions of weight `teacher`, whose logits are divided by `temperature`."""

    teacher: float
    temperature: float


NO_TEACHER = Mix(0.0, 1.0)


@dataclass(frozen=True)
class Calibration:
    """Calibrated margin = slope * margin + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class FittedStudent:
    """A calibrated student, the target that it was fitted on, and the calibrated margins' out-of-fold log loss."""

    model: Model
    mix: Mix
    calibration: Calibration
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

    The best mix has the lowest out-of-fold log loss. Losses are compared after calibration; otherwise a soft target
    wins only by being less confident. A teacher is used only where it lowers the loss by more than one standard
    error: the best of several candidates looks better than it is. Both students are fitted on all rows; the first of
    equal mixes wins.
    """
    judged = {mix: out_of_fold(data, mix, settings) for mix in dict.fromkeys([*mixes, NO_TEACHER])}
    lines = {mix: calibrate(each.margin, each.y, each.weight) for mix, each in judged.items()}
    losses = {mix: each.log_loss(lines[mix]) for mix, each in judged.items()}
    chosen = min(mixes, key=lambda mix: losses[mix])
    if NO_TEACHER in mixes and not _helps(judged, lines, chosen):
        chosen = NO_TEACHER
    alone, fitted = (_fit_on_all_rows(data, mix, lines[mix], losses[mix], settings) for mix in (NO_TEACHER, chosen))
    return fitted, alone


@dataclass(frozen=True)
class OutOfFold:
    """Margin, label and weight per row, predicted by students that were not fitted on the row's block."""

    margin: Floats
    y: NDArray[np.int8]
    weight: Floats

    def log_loss(self, line: Calibration) -> float:
        """Weighted mean log loss of the calibrated margins; infinite where there is no row."""
        return float(np.average(self.losses(line), weights=self.weight)) if len(self.y) else np.inf

    def losses(self, line: Calibration) -> Floats:
        """Log loss of each row."""
        return log_losses(self.y, probability(line.slope * self.margin + line.intercept))


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
            margins.append(_fit(data, fit, data.out_of_fold[fit, block], mix, settings).margin(data.x[held]))
    known = np.concatenate(rows)
    return OutOfFold(np.concatenate(margins), data.y[known], data.weight[known])


def _helps(judged: Mapping[Mix, OutOfFold], lines: Mapping[Mix, Calibration], mix: Mix) -> bool:
    """Whether a mix lowers the log loss by more than one standard error. Weights sum to the independent rows."""
    alone, other = (judged[each].losses(lines[each]) for each in (NO_TEACHER, mix))
    weight = judged[mix].weight
    if not len(weight):
        return False
    saved = float(np.average(alone - other, weights=weight))
    variance = float(np.average((alone - other - saved) ** 2, weights=weight))
    return bool(saved > np.sqrt(variance / weight.sum()))


def _fit_on_all_rows(
    data: StudentData, mix: Mix, line: Calibration, loss: float, settings: TrainingSettings
) -> FittedStudent:
    rows = np.arange(len(data.y))
    fitted = _fit(data, rows, data.out_of_fold[rows, data.block], mix, settings)
    return FittedStudent(fitted.calibrated(line.slope, line.intercept), mix, line, loss if np.isfinite(loss) else None)


def calibrate(margin: Floats, y: NDArray[np.int8], weight: Floats) -> Calibration:
    """Platt's line through the margins; flat, which predicts the base rate, where a higher margin meant fewer ones.

    Source: Platt (1999), Probabilistic outputs for support vector machines.
    """
    if min(int(y.sum()), len(y) - int(y.sum())) < MIN_CLASS_ROWS:
        return Calibration(1.0, 0.0)
    line = LogisticRegression(C=PLATT_C, solver="newton-cholesky")
    line.fit(margin[:, None], y, sample_weight=weight)
    slope = float(line.coef_[0, 0])
    if slope > 0.0:
        return Calibration(slope, float(line.intercept_[0]))
    share = float(np.average(y, weights=weight))
    return Calibration(0.0, float(np.log(share / (1.0 - share))))


def rewards(net_return: Floats, sigma: Floats, horizon_bars: int) -> Floats:
    """Weight per row: |net return| in units of the horizon's volatility, at most MAX_REWARD, scaled to mean 1.

    1 where the volatility is unknown. `sigma` is the volatility of one bar.
    """
    size = np.abs(net_return) / (sigma * np.sqrt(horizon_bars))
    size = np.where(np.isfinite(size), np.minimum(size, MAX_REWARD), 1.0)
    result: Floats = size / size.mean() if size.mean() > 0 else np.ones(len(size))
    return result


def _fit(data: StudentData, rows: Ints, teacher: Floats, mix: Mix, settings: TrainingSettings) -> Model:
    y = data.y[rows]
    soft = target(y, teacher, mix) if mix.teacher else y.astype(np.float64)
    weight = data.weight[rows] * data.reward[rows]
    return MODEL_TYPES[settings.student].fit(data.x[rows], soft, weight, settings.seed)


def trade_threshold(y: NDArray[np.int8], forward_return: Floats, cost: float) -> float | None:
    """Smallest probability at which a long trade pays its cost, from the training rows' mean gain and loss.

    Solves p * gain - (1 - p) * loss = cost; None where no probability up to 1 does. Returns and cost are fractions.
    """
    gain = float(forward_return[y == 1].mean())
    loss = -float(forward_return[y == 0].mean())
    if gain <= cost or gain + loss <= 0:
        return None
    return max((cost + loss) / (gain + loss), 0.0)
