"""How well predictions order the symbols that are decided at one instant: rank correlation, and the spread of tails."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from workers.bars.series import Floats, Ints
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import Estimate, mean_of
from workers.scoring.log_loss import daily_means

MIN_SYMBOLS = 3
MIN_DAYS = 20
# The symbols of a tail: a tenth of those of the instant, at least one.
TAIL_SHARE = 0.1


@dataclass(frozen=True)
class Ranking:
    """Means over days; None where fewer than MIN_DAYS days count, or where they are all equal.

    `ic` is the rank correlation of predictions and forward returns over the symbols of an instant, 0 where all
    predictions are equal. `spread` is the mean forward return of the tenth that is predicted highest less that of the
    tenth predicted lowest, a fraction.
    """

    ic: Estimate | None
    spread: Estimate | None


def ranking(instant: Ints, day: Ints, p: Floats, forward_return: Floats) -> Ranking:
    """Rank predictions within each instant; all arguments have shape (rows,). Errors are those of EWC."""
    days, correlations, spreads = by_instant(instant, day, p, forward_return)
    return Ranking(_mean(days, correlations), _mean(days, spreads))


def by_instant(instant: Ints, day: Ints, p: Floats, forward_return: Floats) -> tuple[Ints, Floats, Floats]:
    """Day, rank correlation and spread of each instant; those of fewer than MIN_SYMBOLS or equal returns are left out.

    All arguments have shape (rows,).
    """
    at, first, line, many = np.unique(instant, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(line, kind="stable")
    place = np.empty(len(line), dtype=np.int64)
    place[order] = np.arange(len(line)) - np.repeat(np.cumsum(many) - many, many)
    predicted, earned = np.full((2, len(at), int(many.max(initial=1))), np.nan)
    predicted[line, place], earned[line, place] = p, forward_return
    kept = (many >= MIN_SYMBOLS) & (np.fmax.reduce(earned, axis=1) > np.fmin.reduce(earned, axis=1))
    predicted, earned, many = predicted[kept], earned[kept], many[kept]
    spreads = _highest(predicted, earned, many) - _highest(-predicted, earned, many)
    return day[first[kept]], _rank_correlations(predicted, earned), spreads


def _rank_correlations(x: Floats, y: Floats) -> Floats:
    """Spearman's correlation of each row of two matrices that lack the same values; 0 where `x` is constant."""
    first, second = (rankdata(each, axis=1, nan_policy="omit") for each in (x, y))
    first, second = (each - np.nanmean(each, axis=1, keepdims=True) for each in (first, second))
    size = np.sqrt(np.nansum(first**2, axis=1) * np.nansum(second**2, axis=1))
    result: Floats = np.nansum(first * second, axis=1) / np.where(size > 0, size, 1.0)
    return result


def _highest(predicted: Floats, earned: Floats, many: Ints) -> Floats:
    """Mean return of the tenth of each row that is predicted highest; equal ones at its border count in part."""
    size = np.maximum((TAIL_SHARE * many).astype(np.int64), 1)
    border = np.sort(predicted, axis=1)[np.arange(len(many)), many - size, None]  # NaN last
    above, at = predicted > border, predicted == border
    inside = np.nansum(np.where(above, earned, 0.0), axis=1)
    at_border = np.nansum(np.where(at, earned, 0.0), axis=1) / at.sum(axis=1)
    result: Floats = (inside + (size - above.sum(axis=1)) * at_border) / size
    return result


def _mean(day: Ints, values: Floats) -> Estimate | None:
    if not len(values):
        return None
    _, daily = daily_means(day, values)
    return mean_of(daily) if len(daily) >= MIN_DAYS and not is_constant(daily) else None
