"""Significance of a Sharpe ratio: its probability, the track record it needs, and the maximum of many trials.

Sources: Bailey and Lopez de Prado, The Sharpe ratio efficient frontier (2012); The deflated Sharpe ratio (2014).
Ratios are per period of the returns, never annualised. Returns have shape (periods,).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kurtosis, norm, skew

from workers.bars.series import Floats
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import Estimate, mean_of


@dataclass(frozen=True)
class Moments:
    """Sharpe ratio per period, skewness and kurtosis (3 for normal returns) of `n` returns."""

    ratio: float
    skewness: float
    kurtosis: float
    n: int

    @property
    def spread(self) -> float:
        """Asymptotic variance of the ratio, times `n - 1`."""
        return 1.0 - self.skewness * self.ratio + (self.kurtosis - 1.0) / 4.0 * self.ratio**2


def sharpe(returns: Floats) -> float:
    """Compute the mean over the standard deviation, whose denominator is `n - 1`."""
    return float(returns.mean() / returns.std(ddof=1))


def estimate_of(returns: Floats) -> Estimate:
    """Estimate the ratio with EWC errors: those of the mean of its influence on each period's return.

    ValueError if the returns are constant. Source: Lo (2002), The statistics of Sharpe ratios, for the expansion.
    """
    if is_constant(returns):
        raise ValueError("constant returns have no Sharpe ratio")
    ratio = sharpe(returns)
    scaled = (returns - returns.mean()) / returns.std(ddof=1)
    influence = mean_of(scaled - ratio / 2.0 * (scaled**2 - 1.0))
    return Estimate(ratio, influence.error, influence.degrees)


def moments_of(returns: Floats) -> Moments:
    """Compute the moments that the formulas below need; skewness and kurtosis without bias correction."""
    return Moments(sharpe(returns), float(skew(returns)), float(kurtosis(returns, fisher=False)), len(returns))


def probabilistic_sharpe_ratio(returns: Floats | Moments, benchmark: float) -> float:
    """Compute the probability that the true ratio exceeds `benchmark`.

    With `expected_max_sharpe` as the benchmark it is the deflated Sharpe ratio.
    """
    known = returns if isinstance(returns, Moments) else moments_of(returns)
    return float(norm.cdf((known.ratio - benchmark) * np.sqrt((known.n - 1) / known.spread)))


def min_track_record_length(returns: Floats | Moments, benchmark: float, confidence: float) -> float:
    """Compute the number of periods that this ratio needs to exceed `benchmark` with probability `confidence`.

    ValueError if the ratio does not exceed the benchmark.
    """
    known = returns if isinstance(returns, Moments) else moments_of(returns)
    if known.ratio <= benchmark:
        raise ValueError(
            f"a Sharpe ratio of {known.ratio:.4g} is not above {benchmark:.4g}: no track record is long enough"
        )
    return float(1.0 + known.spread * (norm.ppf(confidence) / (known.ratio - benchmark)) ** 2)


def expected_max_sharpe(trials: int, deviation: float) -> float:
    """Compute the expected maximum ratio of unskilled trials whose ratios have this standard deviation; 0 for one."""
    if trials < 2:
        return 0.0
    tail = norm.ppf(1.0 - 1.0 / trials), norm.ppf(1.0 - 1.0 / (trials * np.e))
    return float(deviation * ((1.0 - np.euler_gamma) * tail[0] + np.euler_gamma * tail[1]))
