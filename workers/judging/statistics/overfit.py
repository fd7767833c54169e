"""Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from workers.bars.series import Floats


@dataclass(frozen=True)
class Overfitting:
    """How the best strategy of one half of the days fares in the other half, over all splits.

    `pbo`: share of splits in which it is below the median of the other half. A rank equal to the median counts one
    half; the source counts it as below, which for an odd number of noise strategies gives more than one half.
    `slope`: of its Sharpe ratio in the other half on its ratio in the first. `loss`: share of splits in which its
    ratio in the other half is below 0. `splits`: number of splits.
    """

    pbo: float
    slope: float
    loss: float
    splits: int


def pbo(returns: Floats, blocks: int) -> Overfitting:
    """Compute the probability of backtest overfitting of `returns`, shape (strategies, days).

    `blocks`: even number of blocks that the days are cut into; every half of them is one split. ValueError for fewer
    than two strategies, fewer than two days per block, or a strategy whose returns are constant.
    Source: Bailey, Borwein, Lopez de Prado, Zhu (2017), The probability of backtest overfitting.
    """
    strategies, days = returns.shape
    if strategies < 2 or days < 2 * blocks or (np.ptp(returns, axis=1) == 0).any():
        raise ValueError(
            f"{strategies} strategies on {days} days: two, none constant, and {2 * blocks} days are needed"
        )
    parts = np.array_split(np.arange(days), blocks)
    size = np.array([len(part) for part in parts], dtype=np.float64)
    sums = np.array([returns[:, part].sum(axis=1) for part in parts])
    squares = np.array([(returns[:, part] ** 2).sum(axis=1) for part in parts])
    halves = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(halves), blocks))
    np.put_along_axis(chosen, halves, 1.0, axis=1)
    inside = _ratios(chosen @ sums, chosen @ squares, chosen @ size)
    outside = _ratios((1 - chosen) @ sums, (1 - chosen) @ squares, (1 - chosen) @ size)
    best = inside.argmax(axis=1)
    line = np.arange(len(best))
    place = rankdata(outside, axis=1)[line, best] / (strategies + 1)
    there, here = outside[line, best], inside[line, best]
    slope = float(np.polyfit(here, there, 1)[0]) if here.std() > 0 else 0.0
    below = (place < 0.5) + 0.5 * (place == 0.5)
    return Overfitting(float(below.mean()), slope, float((there < 0).mean()), len(best))


def _ratios(total: Floats, squares: Floats, n: Floats) -> Floats:
    mean = total / n[:, None]
    variance = (squares / n[:, None] - mean**2) * (n / (n - 1))[:, None]
    result: Floats = mean / np.sqrt(np.maximum(variance, 1e-300))
    return result
