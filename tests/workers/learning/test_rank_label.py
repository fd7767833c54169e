"""Rank labels, compared with values by hand and with plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.window import MIN_RANKED_SYMBOLS
from tests.strategies import examples
from workers.learning.rank_label import rank_labels

NAN = np.nan


def at_one_instant(*returns: float) -> tuple[list[float], list[int]]:
    """Ranks and labels of symbols that were decided together, rounded to three places."""
    one = [np.array([0])] * len(returns)
    found = rank_labels(one, one, [np.array([each]) for each in returns])
    return [round(float(each.rank[0]), 3) for each in found], [int(each.above[0]) for each in found]


def test_labels_by_hand() -> None:
    """Half of an even number are above the median, one less than half of an odd one; equal returns share a rank."""
    assert at_one_instant(3, 1, 2, 5, 4) == ([0.5, 0.0, 0.25, 1.0, 0.75], [0, 0, 0, 1, 1])
    assert at_one_instant(3, 1, 2, 5, 4, 6) == ([0.4, 0.0, 0.2, 0.8, 0.6, 1.0], [0, 0, 0, 1, 1, 1])
    assert at_one_instant(2, 2, 2, 2, 2) == ([0.5] * 5, [0] * 5)
    # The two in the middle are equal: they are the median, and not above it.
    assert at_one_instant(1, 2, 2, 2, 3, 3) == ([0.0, 0.4, 0.4, 0.4, 0.9, 0.9], [0, 0, 0, 0, 1, 1])


def test_two_neighbouring_numbers_in_the_middle_are_told_apart() -> None:
    """Their mean rounds to the larger one, which is above the median all the same."""
    low = 1.0 + 2.0**-52
    high = float(np.nextafter(low, 2))
    assert (low + high) / 2 == high
    assert at_one_instant(0, 0, low, high, 2, 2)[1] == [0, 0, 0, 1, 1, 1]


def test_too_few_symbols_have_no_label() -> None:
    """Of five symbols one lacks a return; and a symbol whose horizon ends elsewhere is not compared with them."""
    ranks, above = at_one_instant(1, 2, 3, 4, NAN)
    assert np.isnan(ranks).all()
    assert above == [0] * 5
    decided = [np.array([0])] * 6
    ended = [np.array([5])] * 5 + [np.array([6])]
    found = rank_labels(decided, ended, [np.array([float(each)]) for each in (1, 2, 3, 4, 5, 0)])
    assert [float(each.rank[0]) for each in found[:5]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert np.isnan(found[5].rank[0])


def test_no_labels_at_all() -> None:
    """Symbols without a label have none, and neither have those that they leave too few."""
    empty, two = np.empty(0, dtype=np.int64), np.array([0, 1])
    found = rank_labels([empty, two], [empty, two + 5], [np.empty(0), np.array([0.1, 0.2])])
    assert len(found[0].rank) == 0
    assert np.isnan(found[1].rank).all()


@examples(60)
@given(symbols=st.integers(1, 12), seed=st.integers(0, 9999), gaps=st.floats(0, 0.3), steps=st.integers(1, 9))
def test_labels_equal_those_of_plain_loops(symbols: int, seed: int, gaps: float, steps: int) -> None:
    """With missing labels, missing returns, equal returns, and horizons that end at different instants."""
    rng = np.random.default_rng(seed)
    decided = [np.flatnonzero(rng.random(30) >= gaps) for _ in range(symbols)]
    ended = [each + 3 + (rng.random(len(each)) < gaps) for each in decided]
    returns = [np.where(rng.random(len(each)) < gaps, NAN, rng.integers(0, steps, len(each)) / 7) for each in decided]
    found = rank_labels(decided, ended, returns)
    for symbol, mine in enumerate(found):
        for row, value in enumerate(returns[symbol]):
            span = decided[symbol][row], ended[symbol][row]
            there = [
                float(each)
                for times, ends, values in zip(decided, ended, returns, strict=True)
                for begin, end, each in zip(times, ends, values, strict=True)
                if (begin, end) == span and np.isfinite(each)
            ]
            if np.isnan(value) or len(there) < MIN_RANKED_SYMBOLS:
                assert np.isnan(mine.rank[row])
                assert mine.above[row] == 0
                continue
            below, equal = sum(each < value for each in there), sum(each == value for each in there) - 1
            assert mine.rank[row] == pytest.approx((below + equal / 2) / (len(there) - 1))
            assert mine.above[row] == (value > np.median(there))


@examples(20)
@given(seed=st.integers(0, 9999), changed=st.integers(0, 7), cut=st.integers(0, 40))
def test_a_label_depends_on_no_return_of_a_later_end(seed: int, changed: int, cut: int) -> None:
    """Other returns of labels that end after an instant, and other ends after it, change no label that ended by it."""
    rng = np.random.default_rng(seed)
    decided = [np.arange(40)] * 8
    ended = [each + 3 + (rng.random(40) < 0.2) for each in decided]
    returns = [rng.normal(size=40) for _ in decided]
    later = ended[changed] > cut
    other_ends = [np.where(later, cut + 1 + rng.integers(0, 9, 40), ended[changed])]
    other_returns = [np.where(later, rng.normal(size=40), returns[changed])]
    before = rank_labels(decided, ended, returns)
    after = rank_labels(
        decided,
        ended[:changed] + other_ends + ended[changed + 1 :],
        returns[:changed] + other_returns + returns[changed + 1 :],
    )
    for number, (mine, other) in enumerate(zip(before, after, strict=True)):
        known = ended[number] <= cut
        assert mine.rank[known].tobytes() == other.rank[known].tobytes()
        assert mine.above[known].tobytes() == other.above[known].tobytes()
