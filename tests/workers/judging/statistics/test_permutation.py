"""Labels shifted in a circle: which shifts, which rows, and a signal that is planted. Uniformity: `test_gates`."""

from typing import Any

import numpy as np
import pytest

from workers.bars.series import Floats
from workers.judging.statistics.permutation import Permutation, permute


def world(signal: float, seed: int, days: int = 300) -> tuple[Floats, Floats, Floats]:
    """Four symbols whose labels hang together in time and with each other, and how a model of them scores."""
    rng = np.random.default_rng(seed)
    common = np.convolve(rng.normal(size=days + 4), np.ones(5), "valid")[:, None] + rng.normal(size=(days, 4))
    odds = signal * common + 0.3 * rng.normal(size=(days, 4))
    p = 1 / (1 + np.exp(-odds))
    return np.log(2 * p), np.log(2 * (1 - p)), (common > 0).astype(np.float64)


def shifted(panel: tuple[Floats, Floats, Floats], **changes: int) -> Permutation:
    terms: dict[str, Any] = {"min_shift": 10, "repetitions": 99, "seed": 1} | changes
    return permute(*panel, **terms)


def test_a_planted_signal_is_seen() -> None:
    """Where the model knows something, no shifted label does as well: p is the smallest there is."""
    for seed in range(10):
        assert shifted(world(0.3, seed)).p == pytest.approx(0.01)


def test_score_is_the_mean_over_rows() -> None:
    """The statistic is the mean of what each row's own label earned, rows that are not there left out."""
    if_one, if_zero, y = world(0.3, 0)
    hole = np.random.default_rng(0).random(y.shape) < 0.2
    for each in (if_one, if_zero, y):
        each[hole] = np.nan
    earned = np.where(y == 1, if_one, if_zero)[~hole]
    assert shifted((if_one, if_zero, y)).statistic == pytest.approx(earned.mean())


def test_null_is_every_shift_that_is_far_enough() -> None:
    """Few instants: all shifts at least so far away both ways, labels of all symbols moved together."""
    if_one, if_zero, y = world(0.3, 0, days=40)
    found = shifted((if_one, if_zero, y), min_shift=12)
    expected = [np.where(np.roll(y, shift, axis=0) == 1, if_one, if_zero).mean() for shift in range(12, 40 - 12 + 1)]
    assert found.shifts == 17
    assert found.null == pytest.approx(np.array(expected))
    assert found.p == pytest.approx((1 + sum(score >= found.statistic for score in expected)) / 18)


def test_rows_count_where_the_shifted_label_is_known() -> None:
    """A hole moves with its labels: a row counts if it and the label that came to it are there."""
    if_one, if_zero, y = world(0.0, 3, days=30)
    for each in (if_one, if_zero, y):
        each[5, 0] = np.nan
    found = shifted((if_one, if_zero, y), min_shift=15)
    moved = np.roll(y, 15, axis=0)
    kept = np.isfinite(moved) & np.isfinite(if_one)
    assert kept.sum() == 30 * 4 - 2
    assert found.null == pytest.approx([np.where(moved == 1, if_one, if_zero)[kept].mean()])


def test_shifts_are_drawn_once_each_by_the_seed() -> None:
    """With more shifts than repetitions, as many different ones are drawn; the same seed draws the same."""
    panel = world(0.0, 1)
    one, again, other = shifted(panel), shifted(panel), shifted(panel, seed=2)
    assert one.shifts == len(one.null) == len(np.unique(one.null)) == 99
    assert (one.null == again.null).all() and one.p == again.p
    assert (one.null != other.null).any() and one.statistic == other.statistic


def test_too_few_instants_are_refused() -> None:
    """Where no shift is far enough both ways there is nothing to compare with."""
    with pytest.raises(ValueError, match="too few to shift labels by 16"):
        shifted(world(0.0, 1, days=30), min_shift=16)
