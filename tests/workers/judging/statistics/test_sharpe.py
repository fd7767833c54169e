"""Significance of Sharpe ratios, against the numbers in its papers."""

import numpy as np
import pytest
from scipy.stats import norm

from workers.judging.statistics.sharpe import (
    Moments,
    estimate_of,
    expected_max_sharpe,
    min_track_record_length,
    moments_of,
    probabilistic_sharpe_ratio,
    sharpe,
)

DAYS_PER_YEAR = 250
TRIAL_DEVIATION = np.sqrt(0.5 / DAYS_PER_YEAR)


def deflation_example(skewness: float, kurtosis: float) -> Moments:
    """The worked example of the paper on deflation: 2.5 per year over five years of days."""
    return Moments(2.5 / np.sqrt(DAYS_PER_YEAR), skewness, kurtosis, 1250)


@pytest.mark.parametrize(
    ("ratio", "skewness", "kurtosis", "n", "expected", "digits"),
    [
        (1.585 / np.sqrt(12), -2.448, 10.164, 24, 0.91323430688486, 1e-13),
        (0.458, -2.448, 10.164, 24, 0.91336, 5e-6),
        (0.458, 0.0, 3.0, 24, 0.9817, 5e-5),
        (0.458, -2.448, 10.164, 36, 0.9535, 5e-5),
    ],
)
def test_probability_of_the_published_fund(
    ratio: float, skewness: float, kurtosis: float, n: int, expected: float, digits: float
) -> None:
    """Two years of monthly returns with fat tails: 0.913, not the 0.98 of normal ones (Bailey, Lopez de Prado 2012)."""
    found = probabilistic_sharpe_ratio(Moments(ratio, skewness, kurtosis, n), 0.0)
    assert found == pytest.approx(expected, abs=digits)


def test_best_of_a_hundred_by_luck() -> None:
    """A hundred trials that spread by 0.5 per year (variance) give 0.1132 per day by luck (2014)."""
    assert expected_max_sharpe(100, TRIAL_DEVIATION) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected", "digits"),
    [
        (100, -3.0, 10.0, 0.90039683444939, 1e-13),
        (46, -3.0, 10.0, 0.9505, 5e-5),
        (88, 0.0, 3.0, 0.9505, 5e-5),
        (100, 0.0, 3.0, 0.9428, 5e-5),
    ],
)
def test_deflated_as_published(trials: int, skewness: float, kurtosis: float, expected: float, digits: float) -> None:
    """The same strategy passes at 95 % as one of 46 trials and fails as one of 100 (2014)."""
    luck = expected_max_sharpe(trials, TRIAL_DEVIATION)
    found = probabilistic_sharpe_ratio(deflation_example(skewness, kurtosis), luck)
    assert found == pytest.approx(expected, abs=digits)


def test_one_trial_is_not_deflated() -> None:
    """The best of one trial by luck is 0, whatever the spread of the ratios."""
    assert expected_max_sharpe(1, 5.0) == 0.0


@pytest.mark.parametrize(
    ("ratio", "benchmark", "periods", "skewness", "kurtosis", "years", "digits"),
    [
        (2.0, 1.0, 250, 0.0, 3.0, 2.7311878017, 1e-9),
        (2.0, 1.0, 52, 0.0, 3.0, 2.8288335869, 1e-9),
        (2.0, 1.0, 12, 0.0, 3.0, 3.2398, 5e-5),
        (2.0, 1.0, 12, -0.72, 5.78, 4.9913, 5e-5),
        (3.0, 2.5, 12, -0.72, 5.78, 27.352920196, 1e-9),
    ],
)
def test_length_of_record_as_published(
    ratio: float, benchmark: float, periods: int, skewness: float, kurtosis: float, years: float, digits: float
) -> None:
    """Years of daily, weekly and monthly returns that distinguish two yearly ratios at 95 % (2012)."""
    root = np.sqrt(periods)
    known = Moments(ratio / root, skewness, kurtosis, 1)
    assert min_track_record_length(known, benchmark / root, 0.95) / periods == pytest.approx(years, abs=digits)


def test_a_record_of_that_length_is_as_sure_as_asked() -> None:
    """At the minimal length the probability is the confidence asked for, and no record helps a ratio below."""
    known = Moments(0.1, -0.5, 5.0, 0)
    length = min_track_record_length(known, 0.02, 0.95)
    assert (0.1 - 0.02) * np.sqrt((length - 1) / known.spread) == pytest.approx(norm.ppf(0.95))
    for benchmark in (0.1, 0.2):
        with pytest.raises(ValueError, match="no track record is long enough"):
            min_track_record_length(known, benchmark, 0.95)


@pytest.mark.parametrize(
    ("trials", "expected", "digits"),
    [(10, 1.5746, 5e-5), (45, 2.23564, 5e-6), (100, 2.5306028932, 1e-10), (1000, 3.25512, 5e-6)],
)
def test_best_of_many_unskilled(trials: int, expected: float, digits: float) -> None:
    """The best of so many standard normal ratios, as published, and near what drawing them gives."""
    assert expected_max_sharpe(trials, 1.0) == pytest.approx(expected, abs=digits)
    drawn = np.random.default_rng(0).normal(size=(2000, trials)).max(axis=1).mean()
    assert expected_max_sharpe(trials, 1.0) == pytest.approx(drawn, abs=0.06)


def test_five_years_allow_forty_five_trials() -> None:
    """The published minimal backtest for a best ratio of 1 per year by luck: 4.998 years for 45 trials."""
    assert expected_max_sharpe(45, 1.0) ** 2 == pytest.approx(4.9980870044, abs=1e-10)


def test_arrays_are_their_moments() -> None:
    """An array counts by its ratio (n - 1), population skewness and raw kurtosis."""
    returns = np.random.default_rng(3).standard_t(5, 400) * 0.01 + 0.001
    centred = returns - returns.mean()
    known = moments_of(returns)
    assert known.ratio == sharpe(returns) == pytest.approx(returns.mean() / np.sqrt((centred**2).sum() / 399))
    assert known.skewness == pytest.approx((centred**3).mean() / (centred**2).mean() ** 1.5)
    assert known.kurtosis == pytest.approx((centred**4).mean() / (centred**2).mean() ** 2)
    assert probabilistic_sharpe_ratio(returns, 0.01) == probabilistic_sharpe_ratio(known, 0.01)
    assert min_track_record_length(returns, 0.0, 0.9) == min_track_record_length(known, 0.0, 0.9)


def test_errors_of_a_ratio_are_those_of_its_moments() -> None:
    """Of independent skewed returns the error is that of the asymptotic variance, skewness and kurtosis included.

    For normal returns of this ratio it would be half as large again.
    """
    returns = np.random.default_rng(1).exponential(size=8_000) - 0.6
    known, found = moments_of(returns), estimate_of(returns)
    assert found.value == known.ratio and found.degrees == 160
    assert found.error == pytest.approx(np.sqrt(known.spread / known.n), rel=0.15)


def test_dependence_widens_the_error_of_a_ratio() -> None:
    """Returns that keep half of themselves have an error of about the root of three times that of independent ones."""
    shocks = np.random.default_rng(2).normal(size=4_001)
    returns = np.zeros(4_001)
    for t in range(1, len(returns)):
        returns[t] = 0.5 * returns[t - 1] + shocks[t]
    assert estimate_of(returns[1:]).error * np.sqrt(4_000) == pytest.approx(np.sqrt(3), rel=0.2)


def test_constant_returns_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="no Sharpe ratio"):
        estimate_of(np.full(100, 0.01))
