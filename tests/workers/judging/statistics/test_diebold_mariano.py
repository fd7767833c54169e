"""The Diebold-Mariano test against its formula, statsmodels, and worlds whose truth is known."""

import numpy as np
import pytest
from scipy.stats import t as student_t
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.api import diebold_mariano_test

from tests.workers.scoring.test_newey_west import newey_west_error
from workers.judging.statistics.diebold_mariano import diebold_mariano

# Fifteen squared errors of two forecasts, the first of them closer.
CLOSE, ROUGH = np.random.default_rng(15).normal(0, [[0.8], [1.3]], (2, 15)) ** 2


@pytest.mark.parametrize("lags", [0, 1, 2, 4])
def test_statistic_is_its_formula(lags: int) -> None:
    """Mean difference over Newey and West's error, times Harvey's factor, on Student's t with n - 1."""
    found = diebold_mariano(CLOSE, ROUGH, lags)
    difference, n, h = CLOSE - ROUGH, 15, lags + 1
    factor = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    expected = factor * difference.mean() / newey_west_error(difference, lags)
    assert found.statistic == pytest.approx(expected, rel=1e-12)
    assert found.p == pytest.approx(student_t.cdf(expected, n - 1), rel=1e-12)
    assert (found.n, found.mean_difference) == (n, pytest.approx(difference.mean()))


def test_statistic_is_the_t_of_a_regression_on_a_constant() -> None:
    """Without Harvey's factor it is the t of least squares with robust errors, as statsmodels' own test holds."""
    fit = OLS(CLOSE - ROUGH, np.ones(15)).fit(cov_type="HAC", cov_kwds={"maxlags": 2})
    plain = diebold_mariano_test(np.zeros(15), CLOSE, ROUGH, criterion=lambda _, loss: loss, lags=2)
    assert float(np.squeeze(plain.statistic)) == pytest.approx(fit.tvalues[0])
    n, h = 15, 3
    factor = np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert diebold_mariano(CLOSE, ROUGH, 2).statistic == pytest.approx(factor * fit.tvalues[0])


def test_small_p_is_for_the_first() -> None:
    """One-sided: smaller losses of the first make p small, and the two sides add up to one."""
    one, other = diebold_mariano(CLOSE, ROUGH, 1), diebold_mariano(ROUGH, CLOSE, 1)
    assert one.mean_difference < 0 and one.p < 0.1
    assert one.p + other.p == pytest.approx(1.0)
    assert one.statistic == -other.statistic


@pytest.mark.parametrize("offset", [0.0, 0.1, -0.1])
def test_a_constant_difference_is_refused(offset: float) -> None:
    """Losses that are the same, or apart by the same everywhere, have no error: never a p of 0 out of rounding."""
    losses = np.random.default_rng(0).normal(size=300) ** 2
    with pytest.raises(ValueError, match="nothing to compare"):
        diebold_mariano(losses, losses + offset, 4)


def test_rejects_about_as_often_as_it_says() -> None:
    """Of 300 pairs of equal skill whose differences do not hang together, about one in twenty has p below 0.05."""
    draws = np.random.default_rng(1).normal(size=(300, 2, 250))
    share = np.mean([diebold_mariano(a, b, 0).p < 0.05 for a, b in draws])
    assert 0.02 < share < 0.09


def test_lags_take_in_overlap() -> None:
    """Sums over ten days reject a true null far too often without lags; with them, seldom."""
    shocks = np.random.default_rng(2).normal(size=(300, 259))
    overlapping = [np.convolve(row, np.ones(10), "valid") for row in shocks]
    blind, seeing = (
        np.mean([diebold_mariano(row, np.zeros(250), lags).p < 0.05 for row in overlapping]) for lags in (0, 20)
    )
    assert blind > 0.2
    assert seeing < 0.12
