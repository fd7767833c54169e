"""Is one forecast better than another? On losses of the same days, in order of time."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.api import diebold_mariano_test

from workers.bars.series import Floats

SMALLEST = 1e-3  # nats and returns differ by more where they differ at all
ROUNDING = 1e-12  # of the values' size: a constant's standard deviation is rarely 0 to the last bit


@dataclass(frozen=True)
class Comparison:
    """Mean of loss a less loss b, its statistic, and the one-sided p that a is no better than b."""

    mean_difference: float
    statistic: float
    p: float
    n: int


@dataclass(frozen=True)
class Mean:
    """A mean with a standard error that allows for serial dependence."""

    mean: float
    error: float
    t: float
    n: int


def is_constant(x: Floats, size: float | None = None) -> bool:
    """Whether `x` never moves by more than rounding does of `size`, by default its largest value, or of 1e-3."""
    return bool(np.ptp(x) <= ROUNDING * max(SMALLEST, np.abs(x).max() if size is None else size))


def diebold_mariano(loss_a: Floats, loss_b: Floats, lags: int) -> Comparison:
    """Diebold and Mariano (1995) with the small-sample correction of Harvey, Leybourne and Newbold (1997).

    ValueError where the two differ by a constant, if at all: that has no error, and would look certain.
    """
    difference = loss_a - loss_b
    if is_constant(difference, size=max(np.abs(loss_a).max(), np.abs(loss_b).max())):
        raise ValueError("the losses differ by a constant; there is nothing to compare")
    found = diebold_mariano_test(
        np.zeros(len(loss_a)), loss_a, loss_b, criterion=lambda _, loss: loss, lags=lags, harvey_adj=True,
        horizon=lags + 1,
    )  # fmt: skip
    statistic = float(np.squeeze(found.statistic))
    return Comparison(
        float(difference.mean()), statistic, float(student_t.cdf(statistic, len(loss_a) - 1)), len(loss_a)
    )


def newey_west(x: Floats, lags: int) -> Mean:
    """Mean of `x` and its t by Newey and West's (1987) estimator with Bartlett weights. ValueError if x is constant."""
    if is_constant(x):
        raise ValueError("a constant has no error to estimate")
    fit = OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    return Mean(float(fit.params[0]), float(fit.bse[0]), float(fit.tvalues[0]), len(x))
