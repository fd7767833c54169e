"""Means and regressions of serially dependent series with equal-weighted cosine (EWC) standard errors.

Their t follows Student's distribution with as many degrees of freedom as there are cosines. Source: Lazarus, Lewis,
Stock and Watson (2018), HAR inference: recommendations for practice.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import t as student_t

from workers.bars.series import Floats
from workers.scoring.constancy import ROUNDING, is_constant


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and the degrees of freedom of their ratio."""

    value: float
    error: float
    degrees: int

    @property
    def t(self) -> float:
        """The value in standard errors."""
        return self.value / self.error

    def p_above(self, bound: float) -> float:
        """One-sided p of "the true value is at most `bound`"."""
        return float(student_t.sf((self.value - bound) / self.error, self.degrees))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""
        half = float(student_t.ppf((1.0 + confidence) / 2.0, self.degrees)) * self.error
        return self.value - half, self.value + half


def long_run_variance(z: Floats) -> tuple[Floats, int]:
    """Long-run covariance matrix of `z`, shape (periods, columns), and its degrees of freedom.

    The mean square of `0.4 * periods ** (2 / 3)` projections of `z` on type II cosines.
    """
    cosines = _cosines(len(z))
    projection = cosines @ z
    result: Floats = projection.T @ projection / len(cosines)
    return result, len(cosines)


@lru_cache(maxsize=4)  # series that are judged together have the same days; one of ten years has 0.6 MB
def _cosines(n: int) -> Floats:
    """Type II cosines of unit length, shape (terms, n)."""
    terms = max(int(0.4 * n ** (2 / 3) + ROUNDING), 1)
    angle = np.pi * np.outer(np.arange(1, terms + 1), np.arange(n) + 0.5) / n
    result: Floats = np.sqrt(2.0 / n) * np.cos(angle)
    result.flags.writeable = False
    return result


def mean_of(x: Floats) -> Estimate:
    """Estimate the mean of `x`, shape (periods,), in order of time. ValueError if `x` is constant."""
    if is_constant(x):
        raise ValueError("a constant has no error to estimate")
    variance, degrees = long_run_variance(x[:, None])
    return Estimate(float(x.mean()), float(np.sqrt(variance[0, 0] / len(x))), degrees)


def line_of(y: Floats, x: Floats) -> tuple[Estimate, Estimate, Floats]:
    """Regress `y` on `x`, both of shape (periods,): intercept, slope and residuals.

    ValueError if `x` is constant, or if the line fits `y` exactly.
    """
    if is_constant(x):
        raise ValueError("the regressor is constant")
    columns = np.column_stack([np.ones(len(x)), x])
    inverse = np.linalg.inv(columns.T @ columns / len(x))
    value = inverse @ (columns.T @ y) / len(x)
    residual: Floats = y - columns @ value
    if np.abs(residual).max() <= ROUNDING * max(1e-3, float(np.abs(y).max())):
        raise ValueError("the line fits exactly: there is no error to estimate")
    middle, degrees = long_run_variance(columns * residual[:, None])
    error = np.sqrt(np.diag(inverse @ middle @ inverse) / len(x))
    intercept, slope = (Estimate(float(value[i]), float(error[i]), degrees) for i in range(2))
    return intercept, slope, residual
