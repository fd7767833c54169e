"""Block lengths of the bootstrap: published ones, and their bounds."""

import arch.data.sp500
import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

from workers.bars.series import Floats
from workers.judging.statistics.bootstrap import block_length
from workers.judging.statistics.sharpe import moments_of, probabilistic_sharpe_ratio

YEAR = np.sqrt(252)


@pytest.fixture(scope="module")
def index_returns() -> Floats:
    """Twenty years of the S&P 500's daily returns, which come with arch."""
    returns: Floats = arch.data.sp500.load()["Adj Close"].pct_change().dropna().to_numpy(dtype=np.float64)
    return returns


def test_blocks_are_no_shorter_than_asked() -> None:
    """Blocks are at least `min_block` long, however independent the values look, and at most the series."""
    x = np.random.default_rng(0).normal(size=200)
    assert block_length(x, 1) < 20
    assert block_length(x, 20) == 20.0
    assert block_length(x, 500) == 200.0
    assert block_length(np.full(100, 0.1), 5) == 5.0


def test_the_index_is_the_one_measured(index_returns: Floats) -> None:
    """Moments of the series behind the numbers below."""
    known = moments_of(index_returns)
    assert (known.n, known.ratio * YEAR) == (5030, pytest.approx(0.28274, abs=5e-6))
    assert index_returns.mean() == pytest.approx(2.1428e-4, abs=5e-9)
    assert index_returns.std(ddof=1) == pytest.approx(0.0120307, abs=5e-8)
    assert (known.skewness, known.kurtosis) == (pytest.approx(-0.0205, abs=5e-5), pytest.approx(11.336, abs=5e-4))
    assert probabilistic_sharpe_ratio(known, 0.0) == pytest.approx(0.89658, abs=5e-6)


def test_block_lengths_of_the_index(index_returns: Floats) -> None:
    """Politis and White's block: short for returns, long for their squares."""
    assert block_length(index_returns, 1) == pytest.approx(9.0852, abs=5e-5)
    assert block_length(index_returns**2, 1) == pytest.approx(136.21, abs=5e-3)


def test_block_length_of_an_autoregression() -> None:
    """arch's own test: 13.635665 (stationary) and 15.60894 (circular) for 10,000 values of an AR(1) with 0.3."""
    shocks = np.random.RandomState(0).standard_normal(10_100)
    x = np.zeros(10_100)
    x[0] = shocks[0]
    for t in range(1, len(x)):
        x[t] = 0.3 * x[t - 1] + shocks[t]
    assert block_length(x[100:], 1) == pytest.approx(13.635665, abs=5e-7)
    assert optimal_block_length(x[100:])["circular"].iloc[0] == pytest.approx(15.60894, abs=5e-6)
