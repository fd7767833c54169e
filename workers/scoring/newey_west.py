"""Mean of a serially dependent series with the Newey-West standard error."""

from dataclasses import dataclass

import numpy as np
from statsmodels.regression.linear_model import OLS

from workers.bars.series import Floats

SMALLEST = 1e-3  # losses in nats and returns that differ at all differ by more
ROUNDING = 1e-12  # relative to the values: the standard deviation of a constant is rarely exactly 0


@dataclass(frozen=True)
class Mean:
    """A mean, its standard error under serial dependence, their ratio `t`, and the number of values."""

    mean: float
    error: float
    t: float
    n: int


def is_constant(x: Floats, size: float | None = None) -> bool:
    """Return whether `x` varies by no more than rounding does at magnitude `size`.

    `size`: by default the largest absolute value of `x`; never less than 1e-3.
    """
    return bool(np.ptp(x) <= ROUNDING * max(SMALLEST, np.abs(x).max() if size is None else size))


def newey_west(x: Floats, lags: int) -> Mean:
    """Estimate the mean of `x`, one value per period in order of time, and its standard error.

    `lags`: autocorrelations included, with Bartlett weights. ValueError if `x` is constant.
    Source: Newey and West (1987).
    """
    if is_constant(x):
        raise ValueError("a constant has no error to estimate")
    fit = OLS(x, np.ones(len(x))).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    return Mean(float(fit.params[0]), float(fit.bse[0]), float(fit.tvalues[0]), len(x))
