"""The Diebold-Mariano test: is one forecast better than another, on losses of the same days in order of time?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t
from statsmodels.tsa.api import diebold_mariano_test

from workers.bars.series import Floats
from workers.scoring.newey_west import is_constant


@dataclass(frozen=True)
class Comparison:
    """Mean of loss a minus loss b, the test's statistic, and the one-sided p of "a is no better than b"."""

    mean_difference: float
    statistic: float
    p: float
    n: int


def diebold_mariano(loss_a: Floats, loss_b: Floats, lags: int) -> Comparison:
    """Compare two forecasts by their losses, arrays of shape (days,).

    `lags`: autocorrelations that the variance includes, with Bartlett weights; horizon - 1 for overlapping labels.
    ValueError if the losses differ by a constant or not at all: the difference then has no standard error.
    Source: Diebold and Mariano (1995), with the small-sample correction of Harvey, Leybourne and Newbold (1997).
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
