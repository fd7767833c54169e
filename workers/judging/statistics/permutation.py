"""Permutation test of skill: the score with the true labels against scores with labels shifted in time."""

from dataclasses import dataclass

import numpy as np

from workers.bars.series import Floats


@dataclass(frozen=True)
class Permutation:
    """Result of the permutation test.

    `statistic`: mean score per row with the true labels. `p`: share of shifts that score as high or higher, the
    unshifted labels included. `shifts`: number of shifts. `null`: mean score per row of each shift.
    """

    statistic: float
    p: float
    shifts: int
    null: Floats


def permute(if_one: Floats, if_zero: Floats, y: Floats, *, min_shift: int, repetitions: int, seed: int) -> Permutation:
    """Score circular shifts of the labels, all symbols together, which keeps dependence in time and between symbols.

    `if_one`, `if_zero`, `y`: the score of a row if its label is 1, the score if it is 0, and the label; each of shape
    (instants, symbols), NaN where a symbol has no row. A row counts if its shifted label is known. Shifts are at least
    `min_shift` instants in either direction. ValueError if there is no such shift.
    """
    n = len(y)
    shifts = np.arange(min_shift, n - min_shift + 1)
    if not len(shifts):
        raise ValueError(f"{n} instants are too few to shift labels by {min_shift} or more")
    if len(shifts) > repetitions:
        shifts = np.sort(np.random.default_rng(seed).choice(shifts, repetitions, replace=False))
    slope, base = if_one - if_zero, if_zero
    statistic = _score(slope, base, y)
    null = np.array([_score(slope, base, np.roll(y, shift, axis=0)) for shift in shifts])
    p = (1 + int((null >= statistic).sum())) / (1 + len(shifts))
    return Permutation(statistic, p, len(shifts), null)


def _score(slope: Floats, base: Floats, y: Floats) -> float:
    return float(np.nanmean(base + slope * y))
