"""Drift: what the index is, what it is where nothing drifts, and bounds that slow features keep to."""

from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ks_2samp

from workers.bars.series import Floats
from workers.judging.statistics.drift import drift, ks, psi

MEMORY = 0.93  # as slow as an RSI


def slow(n: int, count: int, seed: int) -> Floats:
    """`count` autoregressive series of `n` values with a spread of one, (n, count)."""
    shocks = np.random.default_rng(seed).normal(size=(n + 200, count))
    result: Floats = lfilter([1.0], [1.0, -MEMORY], shocks, axis=0)[200:] * np.sqrt(1 - MEMORY**2)
    return result


def test_index_is_its_formula() -> None:
    """Ten bins of equal mass over all rows: the sum of (b - a) log(b / a) over shares of the two samples."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=400), rng.normal(0.5, 1.2, 600)
    edges = np.quantile(np.concatenate([a, b]), np.linspace(0, 1, 11)[1:-1], method="higher")
    one, other = (np.bincount(np.searchsorted(edges, x, side="right"), minlength=10) / len(x) for x in (a, b))
    assert psi(a, b) == pytest.approx(((other - one) * np.log(other / one)).sum())
    assert psi(a, b) == pytest.approx(psi(np.exp(a), np.exp(b)))  # only order counts


def test_nothing_moved_nothing_measured() -> None:
    """Two samples of the same values are 0 apart; samples that share no value are as far apart as can be."""
    x = np.random.default_rng(0).normal(size=500)
    assert psi(x, x) == pytest.approx(0.0, abs=1e-12) and ks(x, x) == pytest.approx(0.0, abs=1e-12)
    assert ks(x, x + 100) == pytest.approx(1.0)
    assert psi(x, x + 100) > 5


def test_distance_is_scipys_to_two_hundredths() -> None:
    """Kolmogorov and Smirnov's distance, looked for at a hundred places: never more than it is."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=500), rng.normal(0.2, 1, 700)
        exact = ks_2samp(a, b).statistic
        assert exact - 0.02 <= ks(a, b) <= exact + 1e-12


@pytest.mark.parametrize(("n", "mean"), [(123, 0.151), (1000, 0.018)])
def test_index_without_drift_is_no_zero(n: int, mean: float) -> None:
    """Where nothing drifts the index is nine times 2 / n: 0.15 for half a year beside half a year."""
    draws = np.random.default_rng(0).normal(size=(400, 2, n))
    found = np.array([psi(a, b) for a, b in draws])
    assert found.mean() == pytest.approx(9 * 2 / n, rel=0.08)
    assert found.mean() == pytest.approx(mean, rel=0.08)
    assert np.quantile(found, 0.95) == pytest.approx(0.297 * 123 / n, rel=0.15)
    assert ((found > 0.1).mean() > 0.6) == (n == 123)


def test_fixed_bounds_call_slow_features_drifted_and_these_do_not() -> None:
    """Of 400 slow features that do not drift, 0.25 condemns most, a plain 5 % test 81 %, bounds from blocks few."""
    rows = np.concatenate([slow(123, 400, seed=1), slow(123, 400, seed=2)])
    found = drift(rows, 123, block=40.0, quantile=0.95, repetitions=200, seed=1)
    plain = [ks_2samp(column[:123], column[123:]).pvalue < 0.05 for column in rows.T]
    assert np.mean([each.psi > 0.25 for each in found]) > 0.8
    assert np.mean(plain) == pytest.approx(0.81, abs=0.05)
    assert np.mean([each.drifted for each in found]) < 0.15


def test_a_feature_that_moved_is_seen() -> None:
    """Three spreads up for the last quarter: nearly every slow feature is called drifted."""
    rows = slow(1000, 40, seed=2)
    rows[750:] += 3.0
    found = drift(rows, 750, block=30.0, quantile=0.95, repetitions=100, seed=1)
    assert np.mean([each.drifted for each in found]) > 0.9


def test_columns_are_as_they_would_be_alone() -> None:
    """A column's distances are those of its two parts, and its bounds do not depend on the columns beside it."""
    rows = slow(300, 3, seed=3)
    sizes: dict[str, Any] = {"block": 20.0, "quantile": 0.95, "repetitions": 50, "seed": 4}
    together = drift(rows, 200, **sizes)
    for column, each in zip(rows.T, together, strict=True):
        assert drift(column[:, None], 200, **sizes) == [each]
        assert (each.psi, each.ks) == (pytest.approx(psi(column[:200], column[200:])), pytest.approx(
            ks(column[:200], column[200:])
        ))  # fmt: skip
    assert drift(rows, 200, **sizes | {"seed": 5}) != together


def test_unknown_values_count_as_the_highest() -> None:
    """A feature that stops being known has drifted, and no warning is raised on the way."""
    rows = np.random.default_rng(0).normal(size=(400, 1))
    rows[300:] = np.nan
    assert drift(rows, 300, block=5.0, quantile=0.95, repetitions=50, seed=1)[0].drifted
