"""An e-process of a mean above 0: evidence that may be looked at after every day without losing its error rate."""

import numpy as np
from scipy.stats import norm

from workers.bars.series import Floats

# Variance of the mixture, as days: the bound is the tightest after about two years.
MIXTURE_DAYS = 80.0


def e_process(x: Floats) -> Floats:
    """The e-value of "the mean is at most 0" after each of `x`, shape (days,), of a deviation of about 1 in order.

    Where it is true, the largest e-value ever exceeds 1 / a with probability a at most, however often it is looked at.
    Normal mixture, one-sided, with the sum of squares as variance: exact for days that are symmetric about 0 given
    those before, for any change of their size. Sources: de la Pena (1999); Howard, Ramdas, McAuliffe and Sekhon (2021).
    """
    total, variance = np.cumsum(x), np.cumsum(x**2) + MIXTURE_DAYS
    log_e = (
        np.log(2.0) + 0.5 * np.log(MIXTURE_DAYS / variance) + total**2 / (2.0 * variance)
        + norm.logcdf(total / np.sqrt(variance))
    )  # fmt: skip
    result: Floats = np.exp(np.minimum(log_e, 700.0))
    return result
