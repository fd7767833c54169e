"""Equal-weighted cosine standard errors: values by hand, and the size of their tests on dependent series."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom
from statsmodels.regression.linear_model import OLS

from workers.bars.series import Floats
from workers.scoring.ewc import line_of, long_run_variance, mean_of


@pytest.mark.parametrize(("periods", "degrees"), [(60, 6), (200, 13), (1000, 40)])
def test_the_number_of_cosines(periods: int, degrees: int) -> None:
    """0.4 times the number of periods to the power of 2/3, rounded down, as the source recommends."""
    assert long_run_variance(np.random.default_rng(0).normal(size=(periods, 1)))[1] == degrees


def test_a_cosine_has_all_of_its_variance_in_one_projection() -> None:
    """sqrt(2) cos(3 pi (t - 1/2) / n) projects to sqrt(n) on the third cosine and to 0 on the others: n over 13."""
    n = 200
    wave = np.sqrt(2.0) * np.cos(3 * np.pi * (np.arange(n) + 0.5) / n)
    assert long_run_variance(wave[:, None])[0][0, 0] == pytest.approx(n / 13)
    found = mean_of(wave + 5.0)
    assert (found.value, found.error, found.degrees) == (pytest.approx(5.0), pytest.approx(13**-0.5), 13)
    # Student's t with 13 degrees: 2.1604 leaves 2.5 % in each tail.
    assert found.interval() == pytest.approx((5.0 - 2.1604 * 13**-0.5, 5.0 + 2.1604 * 13**-0.5), abs=1e-4)
    assert found.p_above(5.0 - 2.1604 * 13**-0.5) == pytest.approx(0.025, abs=1e-5)


def test_the_line_is_that_of_least_squares() -> None:
    """Intercept, slope and residuals equal statsmodels'; its mean alone is the mean's estimate."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    y = 0.2 + 0.7 * x + rng.normal(size=300)
    alpha, beta, residual = line_of(y, x)
    fit = OLS(y, np.column_stack([np.ones(300), x])).fit()
    assert (alpha.value, beta.value) == pytest.approx(tuple(fit.params))
    assert residual == pytest.approx(fit.resid)
    assert alpha.error == pytest.approx(fit.bse[0], rel=0.4)
    # A regressor with a mean of 0 leaves the mean of y; errors are of the residuals.
    assert line_of(y, x - x.mean())[0].value == pytest.approx(mean_of(y).value)


def ar(rng: np.random.Generator, count: int, periods: int, memory: float) -> Floats:
    """Autoregressive series of mean 0, shape (count, periods)."""
    noise = rng.normal(size=(count, periods + 100))
    series: Floats = lfilter([1.0], [1.0, -memory], noise, axis=1)[:, 100:]
    return series


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_size(memory: float) -> None:
    """Of 1,000 means and intercepts of 0, about 5 % are significant at 5 %, also where days are dependent."""
    rng = np.random.default_rng(2)
    count, periods = 1000, 500
    series, market = ar(rng, count, periods, memory), ar(rng, count, periods, 0.0)
    means = sum(mean_of(x).p_above(0.0) <= 0.05 for x in series)
    lines = sum(line_of(x + 0.5 * m, m)[0].p_above(0.0) <= 0.05 for x, m in zip(series, market, strict=True))
    low, high = binom.ppf([0.001, 0.999], count, 0.05)
    assert low <= means <= high + 10
    assert low <= lines <= high + 10


def test_constants_have_no_error() -> None:
    """A constant, a constant regressor and a line that fits exactly are errors, not zero errors."""
    x = np.random.default_rng(3).normal(size=50)
    with pytest.raises(ValueError, match="a constant"):
        mean_of(np.full(50, 0.1))
    with pytest.raises(ValueError, match="the regressor is constant"):
        line_of(x, np.full(50, 0.1))
    with pytest.raises(ValueError, match="fits exactly"):
        line_of(2.0 * x + 1.0, x)
