"""Intervals for means of dependent series: the stationary bootstrap of `arch`, block length from the data."""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from workers.bars.series import Floats


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided interval, the mean block length used, and the rows that are worth of it."""

    mean: float
    low: float
    high: float
    block: float
    n: int

    @property
    def effective_n(self) -> float:
        return self.n / self.block


def mean_interval(x: Floats, *, min_block: int, repetitions: int, seed: int, confidence: float) -> Interval:
    """Percentile interval of the mean of `x` (one value a day, in order).

    Blocks are at least `min_block` long: overlapping labels make neighbours dependent by construction.
    Source of the block length: Politis and White (2004), as corrected in 2009.
    """
    automatic = float(optimal_block_length(x)["stationary"].iloc[0]) if x.std() > 0 else 1.0
    block = min(max(automatic, float(min_block)), float(len(x)))
    bootstrap = StationaryBootstrap(block, x, seed=np.random.default_rng(seed))
    low, high = bootstrap.conf_int(lambda v: v.mean(), repetitions, method="percentile", size=confidence)[:, 0]
    return Interval(float(x.mean()), float(low), float(high), block, len(x))
