"""The student: taught by labels and by what teachers that never saw a row say of it, chosen and calibrated out of fold.

Everything that is chosen here has "no teacher" among its candidates.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from schemas.config import StudentKind, TrainingSettings
from workers.bars.series import Floats, Ints
from workers.judging.scoring import log_losses
from workers.learning.splits import BLOCKS, TAIL
from workers.learning.students import booster, logistic

WEIGHTS = (0.5, 1.0)  # of the teacher in the target, beside none
TEMPERATURES = (1.0, 2.0)
MIN_CLASS_ROWS = 3
MAX_REWARD = 3.0
PLATT_C = 1.0


class Model(Protocol):
    """A fitted student of any kind."""

    def margin(self, x: Floats) -> Floats: ...
    def calibrated(self, slope: float, intercept: float) -> "Model": ...


FITS: dict[StudentKind, Callable[[Floats, Floats, Floats, int], Model]] = {
    "logistic": logistic.fit,
    "booster": booster.fit,
}


@dataclass(frozen=True)
class Lesson:
    """What a student learns from: one symbol's labelled rows, in time order, and the teachers' opinions of them.

    `opinion`, shape (rows, BLOCKS), and `fitted_by` are those of `teacher.opinions`. `weight` is the share of each row
    that is its own; `reward` is what its fit is weighed by besides, mean 1.
    """

    x: Floats
    y: NDArray[np.int8]
    weight: Floats
    reward: Floats
    block: Ints
    fitted_by: Ints
    opinion: Floats


@dataclass(frozen=True)
class Mix:
    """A target: labels mixed with a teacher of weight `teacher`, whose logit is divided by `temperature`."""

    teacher: float
    temperature: float


NO_TEACHER = Mix(0.0, 1.0)


@dataclass(frozen=True)
class Calibration:
    """What a margin is multiplied by, and what is added to it."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Taught:
    """A calibrated student, the target that it was fitted on, and the loss that the mix had where it was chosen."""

    model: Model
    mix: Mix
    calibration: Calibration
    inner_log_loss: float | None


def probability(margin: Floats) -> Floats:
    """The logistic function."""
    result: Floats = 1.0 / (1.0 + np.exp(-margin))
    return result


def target(y: NDArray[np.int8], teacher: Floats, mix: Mix) -> Floats:
    """(1 - w) * label + w * teacher, softened: the label in [0, 1] to fit. `teacher` must be out of fold."""
    inner = np.clip(teacher, 1e-6, 1.0 - 1e-6)
    softened = probability(np.log(inner / (1.0 - inner)) / mix.temperature)
    result: Floats = (1.0 - mix.teacher) * y + mix.teacher * softened
    return result


def candidates(settings: TrainingSettings) -> list[Mix]:
    """The targets to choose from, no teacher first; one alone where the settings name it."""
    weights = WEIGHTS if settings.distill_weight is None else (settings.distill_weight,)
    temperatures = TEMPERATURES if settings.temperature is None else (settings.temperature,)
    mixes = [Mix(weight, temperature) for weight in weights if weight for temperature in temperatures]
    free = settings.distill_weight is None or not mixes
    return [NO_TEACHER, *mixes] if free else mixes


def teach(lesson: Lesson, mixes: list[Mix], settings: TrainingSettings) -> Taught:
    """Choose the mix of least log loss on the tail, fit it on all rows, calibrate it on its out-of-fold margins.

    The choice is made by students fitted on rows whose spans stay clear of the tail, with the opinions of teachers
    that do so too. The first of equals wins.
    """
    losses = [_tail_loss(lesson, mix, settings) for mix in mixes]
    best = losses.index(min(losses))
    mix = mixes[best]
    own = lesson.opinion[np.arange(len(lesson.y)), lesson.block]
    fitted = _fit(lesson, np.arange(len(lesson.y)), own, mix, settings)
    calibration = calibrate(*out_of_fold(lesson, mix, settings))
    loss = losses[best] if np.isfinite(losses[best]) else None
    return Taught(fitted.calibrated(calibration.slope, calibration.intercept), mix, calibration, loss)


def out_of_fold(lesson: Lesson, mix: Mix, settings: TrainingSettings) -> tuple[Floats, NDArray[np.int8], Floats]:
    """Margin, label and weight of every row that a student can be asked about which knows nothing of its block."""
    parts = [(held, model.margin(lesson.x[held])) for held, model in _folds(lesson, mix, settings)]
    if not parts:
        return np.empty(0), np.empty(0, dtype=np.int8), np.empty(0)
    rows = np.concatenate([held for held, _ in parts])
    return np.concatenate([margin for _, margin in parts]), lesson.y[rows], lesson.weight[rows]


def calibrate(margin: Floats, y: NDArray[np.int8], weight: Floats) -> Calibration:
    """Platt's line through the margins; flat, so that the base rate is said, where a higher margin meant fewer ones.

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
    """|net return| in the horizon's volatility, at most MAX_REWARD, scaled to mean 1; 1 where that is unknown."""
    size = np.abs(net_return) / (sigma * np.sqrt(horizon_bars))
    size = np.where(np.isfinite(size), np.minimum(size, MAX_REWARD), 1.0)
    result: Floats = size / size.mean() if size.mean() > 0 else np.ones(len(size))
    return result


def _tail_loss(lesson: Lesson, mix: Mix, settings: TrainingSettings) -> float:
    for held, model in _folds(lesson, mix, settings, blocks=(TAIL,)):
        losses = log_losses(lesson.y[held], probability(model.margin(lesson.x[held])))
        return float(np.average(losses, weights=lesson.weight[held]))
    return np.inf


def _folds(
    lesson: Lesson, mix: Mix, settings: TrainingSettings, blocks: tuple[int, ...] = tuple(range(BLOCKS))
) -> Iterator[tuple[Ints, Model]]:
    """Rows of each block, and a student that knows nothing of them; a block is left out where none can be fitted."""
    for block in blocks:
        held = np.flatnonzero(lesson.block == block)
        # The rows of the teacher that judged this block: the certificate covers them.
        fit = np.flatnonzero(lesson.fitted_by >> block & 1)
        ones = int(lesson.y[fit].sum())
        if len(held) and min(ones, len(fit) - ones) >= MIN_CLASS_ROWS:
            yield held, _fit(lesson, fit, lesson.opinion[fit, block], mix, settings)


def _fit(lesson: Lesson, rows: Ints, opinion: Floats, mix: Mix, settings: TrainingSettings) -> Model:
    y = lesson.y[rows]
    soft = target(y, opinion, mix) if mix.teacher else y.astype(np.float64)
    weight = lesson.weight[rows] * lesson.reward[rows]
    return FITS[settings.student](lesson.x[rows], soft, weight, settings.seed)


def trade_threshold(y: NDArray[np.int8], forward_return: Floats, cost: float) -> float | None:
    """Smallest probability at which a long trade pays its cost, from the training rows' mean gain and loss.

    Solves p * gain - (1 - p) * loss = cost; None where no probability up to 1 does. Returns and cost are fractions.
    """
    gain = float(forward_return[y == 1].mean())
    loss = -float(forward_return[y == 0].mean())
    if gain <= cost or gain + loss <= 0:
        return None
    return max((cost + loss) / (gain + loss), 0.0)
