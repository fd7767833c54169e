"""How well predictions order the symbols that are decided at one instant: rank correlation, and the spread of tails."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from workers.bars.series import Floats, Ints
from workers.scoring.ewc import Estimate, mean_of
from workers.scoring.log_loss import daily_means
from workers.scoring.newey_west import is_constant

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
    order = np.argsort(instant, kind="stable")
    days, correlations, spreads = [], [], []
    for rows in np.split(order, np.flatnonzero(np.diff(instant[order])) + 1):
        predicted, earned = p[rows], forward_return[rows]
        if len(rows) < MIN_SYMBOLS or np.ptp(earned) == 0:
            continue
        days.append(day[rows[0]])
        differ = np.ptp(predicted) > 0
        correlations.append(np.corrcoef(rankdata(predicted), rankdata(earned))[0, 1] if differ else 0.0)
        spreads.append(_highest(predicted, earned) - _highest(-predicted, earned))
    return np.array(days, dtype=np.int64), np.array(correlations), np.array(spreads)


def _highest(predicted: Floats, earned: Floats) -> float:
    """Mean return of the tenth that is predicted highest; equal predictions at its border count in part."""
    many = max(int(TAIL_SHARE * len(predicted)), 1)
    border = np.sort(predicted)[-many]
    above = predicted > border
    missing = many - int(above.sum())
    return float(earned[above].sum() + missing * earned[predicted == border].mean()) / many


def _mean(day: Ints, values: Floats) -> Estimate | None:
    if not len(values):
        return None
    _, daily = daily_means(day, values)
    return mean_of(daily) if len(daily) >= MIN_DAYS and not is_constant(daily) else None
