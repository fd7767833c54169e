"""Overfitting by splitting days in half, over and over: noise, a planted strategy, and what is refused."""

from itertools import combinations

import numpy as np
import pytest

from workers.bars.series import Floats
from workers.judging.statistics.overfit import pbo

BLOCKS = 8


def noise(strategies: int = 50, days: int = 1000, seed: int = 20240101) -> Floats:
    """Returns of strategies that know nothing, (strategies, days)."""
    return np.ascontiguousarray(np.random.default_rng(seed).normal(0, 0.01, (days, strategies)).T)


@pytest.mark.parametrize(
    ("extra", "blocks", "expected"),
    [
        (0.0, 8, 0.5143),
        (0.002, 8, 0.0),
        (0.002, 16, 0.0002),
        (0.0006, 8, 0.4714),
    ],
)
def test_measured_probabilities(extra: float, blocks: int, expected: float) -> None:
    """Noise; one of fifty strategies with 20 bps per day more; one with 6 bps, too few to find."""
    returns = noise()
    returns[7] += extra
    found = pbo(returns, blocks)
    assert found.pbo == pytest.approx(expected, abs=5e-5)
    assert found.splits == {8: 70, 16: 12_870}[blocks]


def test_noise_is_overfitted_half_the_time() -> None:
    """Over twenty worlds of noise the probability is about one half, and far from the same in each."""
    found = [pbo(noise(seed=seed), BLOCKS).pbo for seed in range(20)]
    assert 0.4 < np.mean(found) < 0.6
    assert np.std(found) > 0.1


def test_equals_the_definition_written_out() -> None:
    """Sums by block give what cutting and joining the days gives, blocks of unequal length included."""
    returns = noise(6, 103, seed=4) + 0.0005 * np.arange(6)[:, None]
    parts = np.array_split(np.arange(103), BLOCKS)
    below, losses, here, there = [], [], [], []
    for half in combinations(range(BLOCKS), BLOCKS // 2):
        inside = np.concatenate([parts[block] for block in half])
        outside = np.setdiff1d(np.arange(103), inside)
        ratios = [returns[:, days].mean(axis=1) / returns[:, days].std(axis=1, ddof=1) for days in (inside, outside)]
        best = int(ratios[0].argmax())
        median = np.median(ratios[1])
        below.append((ratios[1][best] < median) + 0.5 * (ratios[1][best] == median))
        losses.append(ratios[1][best] < 0)
        here.append(ratios[0][best])
        there.append(ratios[1][best])
    found = pbo(returns, BLOCKS)
    assert found.pbo == pytest.approx(np.mean(below))
    assert found.loss == pytest.approx(np.mean(losses))
    assert found.slope == pytest.approx(np.polyfit(here, there, 1)[0])


def test_order_of_strategies_does_not_matter() -> None:
    """The same strategies in another order give the same numbers."""
    returns = noise(10, 200)
    one, other = pbo(returns, BLOCKS), pbo(returns[::-1], BLOCKS)
    assert (one.pbo, one.loss) == (other.pbo, other.loss)


def test_equal_strategies_share_their_rank() -> None:
    """A copy of the best takes its place from neither: at the top both are far from the median."""
    returns = noise(10, 400)
    returns[3] += 0.01
    assert pbo(np.vstack([returns, returns[3]]), BLOCKS).pbo == 0.0


@pytest.mark.parametrize(
    "returns", [noise(1, 400), noise(5, 2 * BLOCKS - 1), np.vstack([noise(4, 400), np.full((1, 400), 0.01)])]
)
def test_what_says_nothing_is_refused(returns: Floats) -> None:
    """One strategy, fewer than two days per block, or a strategy that never moves."""
    with pytest.raises(ValueError, match="are needed"):
        pbo(returns, BLOCKS)
