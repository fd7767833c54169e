"""Would labels of other days have done as well? The whole scoring again, with the labels shifted in time."""

from dataclasses import dataclass

import numpy as np

from workers.bars.series import Floats


@dataclass(frozen=True)
class Permutation:
    """Mean score a row, the share of shifts (itself among them) with as much or more, and the shifts' scores."""

    statistic: float
    p: float
    shifts: int
    null: Floats


def permute(if_one: Floats, if_zero: Floats, y: Floats, *, min_shift: int, repetitions: int, seed: int) -> Permutation:
    """Score labels shifted in a circle, all symbols together, so that dependence in time and between them stays.

    Arrays (instants, symbols), NaN where a symbol has no row: the score of a row if its label is 1, if it is 0, and its
    label. A row counts where the shifted label is known. Shifts are at least `min_shift` away from none, both ways.
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
