"""The interval of a dependent mean: seeded, wide enough for dependence, and right about known means."""

import arch.data.sp500
import numpy as np
import pytest
from arch.bootstrap import optimal_block_length

from workers.bars.series import Floats
from workers.judging.statistics.bootstrap import Interval, block_length, mean_interval
from workers.judging.statistics.sharpe import moments_of, probabilistic_sharpe_ratio

YEAR = np.sqrt(252)


@pytest.fixture(scope="module")
def index_returns() -> Floats:
    """Twenty years of the S&P 500's daily returns, which come with arch."""
    returns: Floats = arch.data.sp500.load()["Adj Close"].pct_change().dropna().to_numpy(dtype=np.float64)
    return returns


def autoregressive(n: int, mean: float, seed: int, memory: float = 0.5) -> Floats:
    """An AR(1) series of the given mean."""
    rng = np.random.default_rng(seed)
    x = np.zeros(n + 100)
    for t, shock in enumerate(rng.normal(size=n + 99), start=1):
        x[t] = memory * x[t - 1] + shock
    return x[100:] + mean


def interval(x: Floats, *, min_block: int = 5, seed: int = 42, repetitions: int = 400) -> Interval:
    return mean_interval(x, min_block=min_block, repetitions=repetitions, seed=seed, confidence=0.95)


def test_twice_gives_the_same_numbers() -> None:
    """The same series and seed give the same interval to the last bit."""
    x = autoregressive(300, 0.1, seed=1)
    assert interval(x) == interval(x.copy())


def test_another_seed_gives_another_interval() -> None:
    """The seed reaches the bootstrap: another one draws other blocks, with the mean and block as they were."""
    x = autoregressive(300, 0.1, seed=1)
    one, other = interval(x, seed=1), interval(x, seed=2)
    assert (one.mean, one.block, one.n) == (other.mean, other.block, other.n)
    assert (one.low, one.high) != (other.low, other.high)


def test_covers_the_known_mean_about_as_often_as_it_says() -> None:
    """Of sixty autoregressive series with a known mean, a 95 % interval holds it nearly always, not always by width."""
    intervals = [interval(autoregressive(500, 0.3, seed)) for seed in range(60)]
    covered = sum(i.low <= 0.3 <= i.high for i in intervals)
    assert 50 <= covered <= 60
    assert all(i.high - i.low < 0.6 for i in intervals)


def test_dependence_widens_the_interval() -> None:
    """The interval of a dependent series is wider than that of the same values shuffled."""
    x = autoregressive(600, 0.0, seed=3, memory=0.8)
    shuffled = np.random.default_rng(0).permutation(x)
    dependent, independent = interval(x), interval(shuffled, min_block=1)
    assert dependent.high - dependent.low > 1.5 * (independent.high - independent.low)


def test_blocks_are_no_shorter_than_asked() -> None:
    """Blocks are at least `min_block` long, however independent the values look, and at most the series."""
    x = np.random.default_rng(0).normal(size=200)
    assert interval(x, min_block=1).block < 20
    assert interval(x, min_block=20).block == 20.0
    assert interval(x, min_block=500).block == 200.0


def test_effective_n_is_the_number_of_blocks() -> None:
    """A series is worth as many independent rows as it has blocks."""
    x = autoregressive(250, 0.0, seed=0)
    result = interval(x, min_block=25)
    assert result.n == 250
    assert result.effective_n == pytest.approx(250 / result.block)
    assert result.low <= result.mean <= result.high
    assert result.mean == pytest.approx(x.mean())


def test_a_constant_series_has_no_width() -> None:
    """A series that never varies has its value as mean, low and high."""
    result = interval(np.full(100, 0.1))
    assert (result.mean, result.low, result.high) == pytest.approx((0.1, 0.1, 0.1))
    assert result.block == 5.0


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
