"""Statistics against the numbers that their authors, or the libraries of the field, publish."""

import warnings

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length
from scipy.signal import lfilter
from statsmodels.stats.multitest import multipletests

from workers.judging.statistics import calibration, drift, overfit, permutation, sharpe
from workers.judging.statistics import diebold_mariano as comparison
from workers.judging.statistics import false_discovery as discovery
from workers.judging.statistics import model_comparison as superiority
from workers.judging.statistics.bootstrap import mean_interval, sharpe_interval
from workers.judging.statistics.sharpe import Moments
from workers.scoring import metrics
from workers.scoring.log_loss import log_loss

HEDGE_FUND = {"skewness": -2.448, "kurtosis": 10.164}  # monthly, of Bailey and Lopez de Prado (2012)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        (Moments(1.585 / 12**0.5, n=24, **HEDGE_FUND), 0.91323430688486),
        (Moments(0.458, n=24, **HEDGE_FUND), 0.91336),
        (Moments(0.458, 0.0, 3.0, 24), 0.9817),
        (Moments(0.458, n=36, **HEDGE_FUND), 0.9535),
    ],
)
def test_probabilistic_sharpe_ratio(moments: Moments, expected: float) -> None:
    """The paper's hedge fund: two years with fat tails are not enough at 95 %, three are."""
    assert sharpe.probabilistic_sharpe_ratio(moments, 0.0) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected"),
    [(100, -3.0, 10.0, 0.90039683444939), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505), (100, 0.0, 3.0, 0.9428)],
)
def test_deflated_sharpe_ratio(trials: int, skewness: float, kurtosis: float, expected: float) -> None:
    """The paper's example: an annual ratio of 2.5 in five years of days, the best of so many trials."""
    luck = sharpe.expected_max_sharpe(trials, (0.5 / 250) ** 0.5)
    found = sharpe.probabilistic_sharpe_ratio(Moments(2.5 / 250**0.5, skewness, kurtosis, 1250), luck)
    assert found == pytest.approx(expected, abs=6e-5)
    assert sharpe.expected_max_sharpe(100, (0.5 / 250) ** 0.5) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("trials", "expected"), [(1, 0.0), (10, 1.5746), (45, 2.23564), (100, 2.5306028932), (1000, 3.25512)]
)
def test_expected_maximum(trials: int, expected: float) -> None:
    """The best of so many unskilled trials, in their standard deviations."""
    assert sharpe.expected_max_sharpe(trials, 1.0) == pytest.approx(expected, abs=5e-5)


def test_five_years_allow_45_trials() -> None:
    """Minimum backtest length of 45 trials at an annual ratio of 1."""
    assert (sharpe.expected_max_sharpe(45, 1.0) / 1.0) ** 2 == pytest.approx(4.9980870044, rel=1e-6)


@pytest.mark.parametrize(
    ("year", "skewness", "kurtosis", "ratio", "benchmark", "years"),
    [
        (250, 0.0, 3.0, 2.0, 1.0, 2.7311878017), (52, 0.0, 3.0, 2.0, 1.0, 2.8288335869),
        (12, 0.0, 3.0, 2.0, 1.0, 3.2398), (12, -0.72, 5.78, 2.0, 1.0, 4.9913),
        (12, -0.72, 5.78, 3.0, 2.5, 27.352920196),
    ],
)  # fmt: skip
def test_minimum_track_record(
    year: int, skewness: float, kurtosis: float, ratio: float, benchmark: float, years: float
) -> None:
    """Years that tell an annual ratio from a benchmark, of daily, weekly and monthly returns."""
    moments = Moments(ratio / year**0.5, skewness, kurtosis, 0)
    assert sharpe.min_track_record_length(moments, benchmark / year**0.5, 0.95) / year == pytest.approx(years, rel=2e-5)


def test_a_ratio_below_its_benchmark_has_no_record_long_enough() -> None:
    """Nothing is returned that could be mistaken for a number of days."""
    with pytest.raises(ValueError, match="no record is long enough"):
        sharpe.min_track_record_length(Moments(-0.1, 0.0, 3.0, 100), 0.0, 0.95)


@pytest.mark.parametrize(
    ("edge", "blocks", "expected"), [(0.0, 8, 0.5143), (0.002, 8, 0.0), (0.002, 16, 0.0002), (0.0006, 8, 0.4714)]
)
def test_probability_of_backtest_overfitting(edge: float, blocks: int, expected: float) -> None:
    """Fifty strategies of noise, the eighth with an edge: an independent implementation says the same."""
    returns = np.random.default_rng(20240101).normal(0, 0.01, (1000, 50)).T
    returns[7] += edge
    assert overfit.pbo(returns, blocks).pbo == pytest.approx(expected, abs=5e-5)


def test_overfitting_needs_two_strategies_that_move() -> None:
    """Fewer, or too few days, are refused."""
    for returns in (np.ones((1, 100)), np.ones((3, 100)), np.random.default_rng(0).normal(size=(3, 20))):
        with pytest.raises(ValueError, match="are needed"):
            overfit.pbo(returns, 16)


def test_discoveries() -> None:
    """Benjamini and Hochberg's own fifteen p values: four pass, three under dependence, three by Bonferroni."""
    p = np.array(
        [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1.0]
    )  # fmt: skip
    assert int((discovery.adjusted(p, "bh") <= 0.05).sum()) == 4
    assert int((discovery.adjusted(p, "by") <= 0.05).sum()) == 3
    assert discovery.adjusted(p, "bh")[3] == pytest.approx(0.03562, abs=5e-6)
    assert int(multipletests(p, 0.05, "holm")[0].sum()) == 3


def test_hosmer_lemeshow_and_spiegelhalter() -> None:
    """Caffeine and the share of good answers, eleven doses of thirty people each."""
    dose, events = np.arange(0, 501, 50), (10, 13, 17, 15, 10, 5, 4, 3, 3, 1, 0)
    y = np.concatenate([np.r_[np.ones(n), np.zeros(30 - n)] for n in events])
    p = np.repeat(1 / (1 + np.exp(-(0.23847 - 0.0064416 * dose))), 30)
    found = calibration.hosmer_lemeshow(y, p, bins=11)
    assert (found.statistic, found.p) == (pytest.approx(17.4641, abs=2e-4), pytest.approx(0.04193, abs=5e-5))
    z = calibration.spiegelhalter(y, p)
    assert (z.z, z.p) == (pytest.approx(0.37477, abs=1e-4), pytest.approx(0.70783, abs=1e-4))
    assert metrics.brier(y, p).score == pytest.approx(0.161329, abs=1e-6)
    assert log_loss(y, p) == pytest.approx(0.480418, abs=1e-6)


def test_spiegelhalter_by_hand() -> None:
    """Ten rows."""
    y = np.array([0, 0, 0, 1, 0, 1, 1, 0, 1, 1.0])
    p = np.array([0.1, 0.2, 0.15, 0.35, 0.4, 0.5, 0.6, 0.3, 0.8, 0.9])
    found = calibration.spiegelhalter(y, p)
    assert (found.z, found.p) == (pytest.approx(-0.97504, abs=1e-5), pytest.approx(0.32954, abs=1e-5))
    assert metrics.brier(y, p).score == pytest.approx(0.1205)


def test_block_lengths() -> None:
    """The block length of an autoregression of 0.3, as the library's own test has it."""
    noise = np.random.RandomState(0).standard_normal(10_100)
    series = lfilter([1.0], [1.0, -0.3], noise)[100:]
    found = optimal_block_length(series).iloc[0]
    assert (found["stationary"], found["circular"]) == (pytest.approx(13.635665), pytest.approx(15.60894))


def test_the_index_of_five_hundred() -> None:
    """Twenty years of the S&P 500: ratio, block length, and an interval of the annual ratio that holds 0."""
    from arch.data import sp500

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        returns = sp500.load()["Adj Close"].pct_change().dropna().to_numpy()
    assert len(returns) == 5030
    assert sharpe.sharpe(returns) * 252**0.5 == pytest.approx(0.28274, abs=5e-6)
    assert sharpe.probabilistic_sharpe_ratio(returns, 0.0) == pytest.approx(0.89658, abs=5e-6)
    found = sharpe_interval(returns, min_block=10, repetitions=1000, seed=12345, confidence=0.95)
    assert found.block == 10.0
    assert found.low * 252**0.5 == pytest.approx(-0.088, abs=0.05)
    assert found.high * 252**0.5 == pytest.approx(0.66, abs=0.05)
    assert mean_interval(returns, min_block=1, repetitions=200, seed=1, confidence=0.95).block == pytest.approx(
        9.0852, abs=1e-4
    )


def losses() -> tuple[np.ndarray, np.ndarray]:
    """A baseline and fifty models that are no better."""
    rng = np.random.default_rng(1)
    baseline = rng.normal(size=500) ** 2
    return baseline, baseline[:, None] + rng.normal(0.0, 0.5, (500, 50)) + 0.02


SIZES = {"block": 22.0, "repetitions": 500, "seed": 7}


def test_superior_predictions() -> None:
    """Nothing is found among fifty models of noise; one that is better is, and by name."""
    baseline, models = losses()
    nothing = superiority.spa(baseline, models, **SIZES)
    assert 0.05 < nothing.lower <= nothing.consistent <= nothing.upper
    models[:, 3] -= 0.17
    assert superiority.spa(baseline, models, **SIZES).consistent == 0.0
    assert superiority.stepm(baseline, models, **SIZES) == (3,)


def test_all_may_be_superior() -> None:
    """Where every model is better, every one is named."""
    baseline, models = losses()
    assert superiority.stepm(baseline, models[:, :2] - 0.3, **SIZES) == (0, 1)


def test_confidence_set() -> None:
    """A model that is clearly worse drops out; two that are alike stay."""
    baseline, models = losses()
    everything = np.column_stack([baseline, models[:, 0] - 0.02, baseline + 0.5 + models[:, 1] - baseline])
    found = superiority.mcs(everything, size=0.05, **SIZES)
    assert found.included == (0, 1)
    assert found.p[2] < 0.05


def test_diebold_mariano_is_a_t_test_where_nothing_hangs_together() -> None:
    """Without lags it is the t of the mean difference, one-sided; a loss that is smaller has a small p."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.0, 1.0, 200), rng.normal(0.3, 1.0, 200)
    found = comparison.diebold_mariano(a, b, lags=0)
    difference = a - b
    assert found.statistic == pytest.approx(difference.mean() / (difference.std(ddof=1) / 200**0.5), rel=1e-3)
    assert found.p < 0.05 < comparison.diebold_mariano(b, a, lags=0).p
    with pytest.raises(ValueError, match="nothing to compare"):
        comparison.diebold_mariano(a, a, lags=0)


def test_overlap_widens_a_mean() -> None:
    """Sums over five days, one a day: Newey and West's error is about sqrt(5) times that of independent days."""
    x = np.convolve(np.random.default_rng(0).normal(size=2004), np.ones(5), "valid")
    assert comparison.newey_west(x, 10).error > 1.8 * x.std() / len(x) ** 0.5


def test_permutation_finds_a_planted_signal() -> None:
    """Probabilities that know the labels leave no shift as good."""
    rng = np.random.default_rng(0)
    y = (np.convolve(rng.normal(size=304), np.ones(5), "valid")[:, None] + rng.normal(size=(300, 3)) > 0).astype(float)
    p = np.where(y == 1, 0.6, 0.4)
    found = permutation.permute(np.log(2 * p), np.log(2 * (1 - p)), y, min_shift=5, repetitions=199, seed=0)
    assert found.p == pytest.approx(1 / 200)


def test_stability_index_without_drift() -> None:
    """With 123 rows on either side, a tenth above a tenth is chance: mean 0.15, 95 % below 0.3."""
    rng = np.random.default_rng(0)
    found = [drift.psi(rng.normal(size=123), rng.normal(size=123)) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0.151, abs=0.02)
    assert np.quantile(found, 0.95) == pytest.approx(0.297, abs=0.05)


def test_slow_features_do_not_drift_and_shifted_ones_do() -> None:
    """A feature that remembers (0.93) stays within the bootstrap's bound in nearly all worlds; a shift does not."""
    rng = np.random.default_rng(0)
    slow = lfilter([1.0], [1.0, -0.93], rng.normal(size=(1000, 60)), axis=0)
    sizes = {"block": 60.0, "quantile": 0.99, "repetitions": 200, "seed": 1}
    assert sum(each.drifted for each in drift.drift(slow, 750, **sizes)) <= 6
    slow[750:] += 2.5 * slow.std()
    assert all(each.drifted for each in drift.drift(slow, 750, **sizes))


def test_brier_falls_into_its_parts() -> None:
    """Reliability less resolution plus uncertainty is the score where a bin holds one prediction."""
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.3, 0.5, 0.8], 2000)
    y = (rng.random(2000) < p).astype(float)
    parts = metrics.brier(y, p)
    assert parts.score == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty)
    assert metrics.ece(y, p) < 0.05 < metrics.ece(y, np.clip(p + 0.2, 0, 1))


def test_slope_of_probabilities_that_are_too_sure() -> None:
    """Log odds doubled have a slope of a half; as they are, of one; intervals hold it."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=6000)
    p, day = 1 / (1 + np.exp(-odds)), np.repeat(np.arange(1500), 4)
    y = (rng.random(6000) < p).astype(float)
    for factor in (1.0, 2.0):
        found = calibration.slope_by_day(y, 1 / (1 + np.exp(-factor * odds)), day, lags=5)
        assert found.low < 1 / factor < found.high
        assert found.slope == pytest.approx(1 / factor, abs=0.1)
    assert abs(calibration.spiegelhalter_by_day(y, p, day, lags=5).z) < 3
    assert calibration.spiegelhalter_by_day(y, 1 / (1 + np.exp(-2 * odds)), day, lags=5).z > 5


def test_wilson_and_matthews() -> None:
    """Eight hits of ten: 49 to 94 %. Decisions that never change have no correlation."""
    found = metrics.hit_rate(np.array([True] * 8 + [False] * 2))
    assert (found.low, found.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert metrics.mcc(np.array([0.0, 1.0]), np.array([True, True])) is None
    assert metrics.mcc(np.array([0.0, 1.0]), np.array([False, True])) == 1.0


def test_rank_ic() -> None:
    """Predictions in the order of returns have a rank correlation of one each day; too few symbols have none."""
    day, forward = np.repeat(np.arange(50), 3), np.tile([1.0, 2.0, 3.0], 50)
    noise = np.random.default_rng(0).normal(size=150)
    found = metrics.rank_ic(day, forward + 0.4 * noise, forward, lags=2)
    assert found is not None and found.mean > 0.7 and found.t > 5
    assert metrics.rank_ic(np.repeat(np.arange(50), 2), noise[:100], forward[:100], lags=2) is None
