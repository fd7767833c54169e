"""Intervals for means of dependent series: the stationary bootstrap of `arch`, block length from the data."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap, optimal_block_length

from workers.bars.series import Floats
from workers.judging.statistics.sharpe import sharpe


@dataclass(frozen=True)
class Interval:
    """A statistic with its two-sided interval, mean block length, rows, and the bootstrap's draws."""

    mean: float
    low: float
    high: float
    block: float
    n: int
    draws: tuple[float, ...] = ()

    @property
    def effective_n(self) -> float:
        return self.n / self.block


def mean_interval(x: Floats, *, min_block: int, repetitions: int, seed: int, confidence: float) -> Interval:
    """Percentile interval of the mean of `x` (one value a day, in order).

    Blocks are at least `min_block` long: overlapping labels make neighbours dependent by construction.
    Source of the block length: Politis and White (2004), as corrected in 2009.
    """
    return _interval(np.mean, x, min_block, repetitions, seed, confidence)


def sharpe_interval(x: Floats, *, min_block: int, repetitions: int, seed: int, confidence: float) -> Interval:
    """The same of the Sharpe ratio of `x`, a period."""
    return _interval(sharpe, x, min_block, repetitions, seed, confidence)


def block_length(x: Floats, min_block: int) -> float:
    """Mean block of the stationary bootstrap: by the data, and at least `min_block`."""
    automatic = float(optimal_block_length(x)["stationary"].iloc[0]) if np.ptp(x) > 0 else 1.0
    return min(max(automatic, float(min_block)), float(len(x)))


def _interval(
    statistic: Callable[[Floats], float], x: Floats, min_block: int, repetitions: int, seed: int, confidence: float
) -> Interval:
    block = block_length(x, min_block)
    bootstrap = StationaryBootstrap(block, x, seed=np.random.default_rng(seed))
    draws = bootstrap.apply(statistic, repetitions)[:, 0]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(statistic(x)), float(low), float(high), block, len(x), tuple(draws.tolist()))
