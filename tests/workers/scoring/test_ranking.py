"""How well predictions order symbols: rank correlation and spread, against values by hand and SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tests.strategies import examples
from workers.scoring.ewc import mean_of
from workers.scoring.ranking import ranking


@examples(20)
@given(seed=st.integers(0, 999), symbols=st.integers(3, 25), instants_a_day=st.integers(1, 3))
def test_means_over_days_of_what_each_instant_shows(seed: int, symbols: int, instants_a_day: int) -> None:
    """Spearman's correlation of each instant and the tails' difference; several instants count as one day."""
    rng = np.random.default_rng(seed)
    count = 30 * instants_a_day
    instant = np.repeat(np.arange(count), symbols)
    p = rng.choice(np.linspace(0.1, 0.9, 40), len(instant))
    p[::symbols] += 0.01  # so that no instant's predictions are all equal
    gain = 0.5 * p + rng.normal(0, 0.3, len(instant))
    order = rng.permutation(len(instant))
    found = ranking(instant[order], instant[order] // instants_a_day, p[order], gain[order])
    correlations, spreads = np.empty(count), np.empty(count)
    many = max(symbols // 10, 1)
    for each in range(count):
        mine, its = p[instant == each], gain[instant == each]
        correlations[each] = spearmanr(mine, its).statistic
        # Over all orders of equal predictions the tails are the same on average.
        shuffles = rng.permuted(np.tile(np.arange(symbols), (400, 1)), axis=1)
        ranked = np.take_along_axis(shuffles, np.argsort(mine[shuffles], axis=1, kind="stable"), axis=1)
        spreads[each] = its[ranked[:, -many:]].mean() - its[ranked[:, :many]].mean()
    assert found.ic is not None and found.spread is not None
    expected = mean_of(correlations.reshape(30, -1).mean(axis=1))
    assert (found.ic.value, found.ic.error) == (pytest.approx(expected.value), pytest.approx(expected.error))
    assert found.spread.value == pytest.approx(spreads.mean(), abs=0.01)


def test_the_tails_by_hand() -> None:
    """Of twenty symbols the two highest less the two lowest; of four the highest less the lowest."""
    days = np.arange(20)
    bump = np.tile([0.0, 0.001], 10)  # a mean of equal values has no error
    p, gain = (
        np.tile(np.arange(20.0), 20),
        np.tile(np.arange(20.0) / 100, 20) + np.repeat(bump, 20) * np.tile([0] * 18 + [1, 1], 20),
    )
    found = ranking(np.repeat(days, 20), np.repeat(days, 20), p, gain).spread
    assert found is not None and found.value == pytest.approx(0.185 - 0.005 + 0.0005)
    few = np.tile([0.2, 0.1, 0.4, 0.4], 20)
    earned = np.tile([0.0, 0.01, 0.02, 0.04], 20) + np.repeat(bump, 4) * np.tile([0, 1, 0, 0], 20)
    tied = ranking(np.repeat(days, 4), np.repeat(days, 4), few, earned).spread
    assert tied is not None and tied.value == pytest.approx(0.03 - 0.0105)


def test_instants_that_cannot_be_ranked_do_not_count() -> None:
    """Two symbols, or equal returns, rank nothing; with fewer than 20 days left there is no mean."""
    rng = np.random.default_rng(5)
    day = np.concatenate(
        [np.repeat(np.arange(20), 4), np.repeat(np.arange(20, 40), 2), np.repeat(np.arange(40, 60), 4)]
    )
    p, gain = rng.uniform(size=len(day)), rng.normal(size=len(day))
    gain[day >= 40] = 0.5
    found, ranked = ranking(day, day, p, gain), ranking(day[:80], day[:80], p[:80], gain[:80])
    assert found.ic == ranked.ic is not None
    assert found.spread == ranked.spread
    for rest in (day >= 1, day >= 20):
        nothing = ranking(day[rest], day[rest], p[rest], gain[rest])
        assert (nothing.ic, nothing.spread) == (None, None)


def test_equal_predictions_have_an_ic_of_0() -> None:
    """A day of equal predictions counts: the mean over twice the days is half, the spread too."""
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(40), 4)
    p, gain = rng.uniform(size=len(day)), rng.normal(size=len(day))
    flat = ranking(day, day, np.where(day < 20, p, 0.5), gain)
    half = ranking(day[:80], day[:80], p[:80], gain[:80])
    for found, ranked in ((flat.ic, half.ic), (flat.spread, half.spread)):
        assert found is not None and ranked is not None
        assert found.value == pytest.approx(ranked.value / 2)
