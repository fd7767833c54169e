"""A logistic student: its scaler and its calibration folded into one coefficient vector, served as a dot product."""

from dataclasses import dataclass, replace

import numpy as np

from workers.bars.series import Floats

REGULARISATION_C = 0.05
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class Logistic:
    """margin = intercept + sum(coefficients * x), with each NaN of x replaced by `fill`."""

    coefficients: Floats
    intercept: float
    fill: Floats

    def margin(self, x: Floats) -> Floats:
        """Logit for each row of `x`, shape (rows, features); needs numpy alone."""
        filled = np.where(np.isfinite(x), x, self.fill)
        result: Floats = self.intercept + (filled * self.coefficients).sum(axis=1)
        return result

    def calibrated(self, slope: float, intercept: float) -> "Logistic":
        """The model whose margin is `slope` times this one's plus `intercept`."""
        # Adding 0 makes -0 a plain 0 where the slope is 0.
        coefficients = slope * self.coefficients + 0.0
        return replace(self, coefficients=coefficients, intercept=slope * self.intercept + intercept)


def fit(x: Floats, soft: Floats, weight: Floats, seed: int) -> Logistic:
    """Fit on soft labels in [0, 1]; `weight` sums to the number of independent rows. Nothing in it is random.

    Each row counts twice, as class 1 with weight `soft` and as class 0 with `1 - soft`: the cross-entropy of a soft
    label. Columns are standardised on these rows, which the result has folded in; NaN becomes the column's mean.
    """
    from sklearn.linear_model import LogisticRegression  # who only serves a student has no need of it

    observed = np.isfinite(x)
    counts = np.maximum(observed.sum(axis=0), 1)
    fill = np.where(observed, x, 0.0).sum(axis=0) / counts
    filled = np.where(observed, x, fill)
    scale = filled.std(axis=0)
    scale[scale < 1e-12] = np.inf
    standard = (filled - fill) / scale
    model = LogisticRegression(C=REGULARISATION_C, max_iter=MAX_ITERATIONS, solver="newton-cholesky")
    rows = np.concatenate([standard, standard])
    classes = np.repeat([1, 0], len(soft))
    model.fit(rows, classes, sample_weight=np.concatenate([weight * soft, weight * (1.0 - soft)]))
    coefficients = model.coef_[0] / scale
    return Logistic(coefficients, float(model.intercept_[0] - (coefficients * fill).sum()), fill)
