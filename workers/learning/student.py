"""The student: a logistic model taught by labels and the teacher's out-of-fold opinion, served as a dot product."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from schemas.artifacts import StudentModel
from workers.bars.series import Floats

REGULARISATION_C = 0.05
MAX_ITERATIONS = 500


def target(y: NDArray[np.int8], teacher: Floats, distill_weight: float) -> Floats:
    """(1 - w) * label + w * teacher: the soft label in [0, 1]. `teacher` must be out-of-fold."""
    return (1.0 - distill_weight) * y + distill_weight * teacher


def fit_logistic(x: Floats, soft: Floats, weight: Floats) -> tuple[Floats, float, Floats]:
    """Fit on soft labels; returns (coefficients, intercept, fill) in the units of `x`.

    Each row counts twice, as class 1 with weight `soft` and as class 0 with `1 - soft`: the cross-entropy of a soft
    label. Columns are standardised on these rows, which the result has folded in; NaN becomes the column's mean.
    """
    observed = np.isfinite(x)
    counts = np.maximum(observed.sum(axis=0), 1)
    fill = np.where(observed, x, 0.0).sum(axis=0) / counts
    filled = np.where(observed, x, fill)
    scale = filled.std(axis=0)
    scale[scale < 1e-12] = np.inf
    standard = (filled - fill) / scale
    model = LogisticRegression(C=REGULARISATION_C, max_iter=MAX_ITERATIONS)
    rows = np.concatenate([standard, standard])
    classes = np.repeat([1, 0], len(soft))
    model.fit(rows, classes, sample_weight=np.concatenate([weight * soft, weight * (1.0 - soft)]))
    coefficients = model.coef_[0] / scale
    return coefficients, float(model.intercept_[0] - (coefficients * fill).sum()), fill


def score(model: StudentModel, x: Floats) -> Floats:
    """Probability of class 1 for each row of `x`, shape (rows, features); needs numpy alone."""
    filled = np.where(np.isfinite(x), x, np.asarray(model.fill))
    margin = model.intercept + (filled * np.asarray(model.coefficients)).sum(axis=1)
    probability: Floats = 1.0 / (1.0 + np.exp(-margin))
    return probability


def trade_threshold(y: NDArray[np.int8], forward_return: Floats, cost: float) -> float | None:
    """Smallest probability at which a long trade pays its cost, from the training rows' mean gain and loss.

    Solves p * gain - (1 - p) * loss = cost; None where no probability up to 1 does. Returns and cost are fractions.
    """
    gain = float(forward_return[y == 1].mean())
    loss = -float(forward_return[y == 0].mean())
    if gain <= cost or gain + loss <= 0:
        return None
    return max((cost + loss) / (gain + loss), 0.0)
