"""Confidence intervals for serially dependent series: the stationary bootstrap of `arch`."""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from workers.bars.series import Floats


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided interval.

    `mean`: that of the series itself. `block`: mean block length, in values. `n`: number of values.
    """

    mean: float
    low: float
    high: float
    block: float
    n: int

    @property
    def effective_n(self) -> float:
        """Number of independent values that the series is worth: its length over the block length."""
        return self.n / self.block


def mean_interval(x: Floats, *, min_block: int, repetitions: int, seed: int, confidence: float) -> Interval:
    """Compute the percentile interval of the mean of `x`, one value per day, in order.

    Blocks are at least `min_block` days long on average, because overlapping labels make neighbouring days dependent.
    Source: Politis and Romano (1994); block length by Politis and White (2004), as corrected in 2009.
    """
    block = block_length(x, min_block)
    bootstrap = StationaryBootstrap(block, x, seed=np.random.default_rng(seed))
    draws = bootstrap.apply(np.mean, repetitions)[:, 0]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(x.mean()), float(low), float(high), block, len(x))


def block_length(x: Floats, min_block: int) -> float:
    """Choose the mean block length of the stationary bootstrap from `x`: at least `min_block`, at most `len(x)`."""
    automatic = float(optimal_block_length(x)["stationary"].iloc[0]) if np.ptp(x) > 0 else 1.0
    return min(max(automatic, float(min_block)), float(len(x)))
