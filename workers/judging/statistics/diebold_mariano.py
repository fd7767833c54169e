"""The Diebold-Mariano test: is one forecast better than another, on losses of the same days in order of time?"""

from dataclasses import dataclass

import numpy as np

from workers.bars.series import Floats
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import mean_of


@dataclass(frozen=True)
class Comparison:
    """Mean of loss a minus loss b, the test's statistic, and the one-sided p of "a is no better than b"."""

    mean_difference: float
    statistic: float
    p: float
    n: int


def diebold_mariano(loss_a: Floats, loss_b: Floats) -> Comparison:
    """Compare two forecasts by their losses, arrays of shape (days,), with EWC errors.

    ValueError if the losses differ by a constant or not at all: the difference then has no standard error.
    Source: Diebold and Mariano (1995); Lazarus, Lewis, Stock and Watson (2018) for the errors.
    """
    difference = loss_a - loss_b
    if is_constant(difference, size=max(np.abs(loss_a).max(), np.abs(loss_b).max())):
        raise ValueError("the losses differ by a constant; there is nothing to compare")
    mean = mean_of(difference)
    return Comparison(mean.value, mean.t, 1.0 - mean.p_above(0.0), len(loss_a))
