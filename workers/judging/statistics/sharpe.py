"""What a Sharpe ratio is worth: its probability, the record it needs, and the best of many tries by luck.

Sources: Bailey and Lopez de Prado, The Sharpe ratio efficient frontier (2012); The deflated Sharpe ratio (2014).
Ratios are a period of the returns given, never annualised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kurtosis, norm, skew

from workers.bars.series import Floats


@dataclass(frozen=True)
class Moments:
    """Sharpe ratio a period, skewness and kurtosis (3 for normal returns) of `n` returns."""

    ratio: float
    skewness: float
    kurtosis: float
    n: int

    @property
    def spread(self) -> float:
        """Asymptotic variance of the ratio, times n - 1."""
        return 1.0 - self.skewness * self.ratio + (self.kurtosis - 1.0) / 4.0 * self.ratio**2


def sharpe(returns: Floats) -> float:
    """Mean over standard deviation (n - 1 in its denominator)."""
    return float(returns.mean() / returns.std(ddof=1))


def moments_of(returns: Floats) -> Moments:
    """The moments that the formulas below need; skewness and kurtosis of the population."""
    return Moments(sharpe(returns), float(skew(returns)), float(kurtosis(returns, fisher=False)), len(returns))


def probabilistic_sharpe_ratio(returns: Floats | Moments, benchmark: float) -> float:
    """Probability that the true ratio is above `benchmark`."""
    known = returns if isinstance(returns, Moments) else moments_of(returns)
    return float(norm.cdf((known.ratio - benchmark) * np.sqrt((known.n - 1) / known.spread)))


def min_track_record_length(returns: Floats | Moments, benchmark: float, confidence: float) -> float:
    """Periods after which a ratio like this one is told from `benchmark`. ValueError where it is not above it."""
    known = returns if isinstance(returns, Moments) else moments_of(returns)
    if known.ratio <= benchmark:
        raise ValueError(f"a Sharpe ratio of {known.ratio:.4g} is not above {benchmark:.4g}: no record is long enough")
    return float(1.0 + known.spread * (norm.ppf(confidence) / (known.ratio - benchmark)) ** 2)


def expected_max_sharpe(trials: int, deviation: float) -> float:
    """Best ratio to expect of so many unskilled trials whose ratios have this standard deviation; 0 of one."""
    if trials < 2:
        return 0.0
    tail = norm.ppf(1.0 - 1.0 / trials), norm.ppf(1.0 - 1.0 / (trials * np.e))
    return float(deviation * ((1.0 - np.euler_gamma) * tail[0] + np.euler_gamma * tail[1]))
