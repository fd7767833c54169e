"""The Diebold-Mariano test: its formula, and worlds whose truth is known."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from workers.judging.statistics.diebold_mariano import diebold_mariano

# Fifteen squared errors of two forecasts, the first of them closer.
CLOSE, ROUGH = np.random.default_rng(15).normal(0, [[0.8], [1.3]], (2, 15)) ** 2


def test_statistic_is_its_formula() -> None:
    """Mean difference over the EWC error: the mean square of two cosine projections, on Student's t with two."""
    found = diebold_mariano(CLOSE, ROUGH)
    difference, n = CLOSE - ROUGH, 15
    projections = [
        np.sqrt(2 / n) * sum(x * np.cos(np.pi * j * (t + 0.5) / n) for t, x in enumerate(difference)) for j in (1, 2)
    ]
    expected = difference.mean() / np.sqrt(np.mean(np.square(projections)) / n)
    assert found.statistic == pytest.approx(expected, rel=1e-12)
    assert found.p == pytest.approx(student_t.cdf(expected, 2), rel=1e-12)
    assert (found.n, found.mean_difference) == (n, pytest.approx(difference.mean()))


def test_small_p_is_for_the_first() -> None:
    """One-sided: smaller losses of the first make p small, and the two sides add up to one."""
    one, other = diebold_mariano(CLOSE, ROUGH), diebold_mariano(ROUGH, CLOSE)
    assert one.mean_difference < 0 and one.p < 0.1
    assert one.p + other.p == pytest.approx(1.0)
    assert one.statistic == -other.statistic


@pytest.mark.parametrize("offset", [0.0, 0.1, -0.1])
def test_a_constant_difference_is_refused(offset: float) -> None:
    """Losses that are the same, or apart by the same everywhere, have no error: never a p of 0 out of rounding."""
    losses = np.random.default_rng(0).normal(size=300) ** 2
    with pytest.raises(ValueError, match="nothing to compare"):
        diebold_mariano(losses, losses + offset)


@pytest.mark.parametrize("overlap", [1, 5])
def test_rejects_about_as_often_as_it_says(overlap: int) -> None:
    """Of 1,000 pairs of equal skill about 5 % have p below 0.05, also where labels overlap over five days."""
    shocks = np.random.default_rng(1).normal(size=(1000, 500 + overlap - 1))
    differences = [np.convolve(row, np.ones(overlap), "valid") for row in shocks]
    share = np.mean([diebold_mariano(each, np.zeros(500)).p < 0.05 for each in differences])
    assert 0.036 < share < 0.064  # 1.96 standard errors
