"""How far prices rise: the facts by which a plan sees that no bar can reach a threshold."""

import numpy as np

from schemas.config.interval import Interval, is_intraday
from schemas.contract.coverage import RISE_DOUBLINGS, Rises
from schemas.contract.window import MIN_CLASS_ROWS
from workers.bars.series import Floats, Series

# Share of bars that rise by more than `Rises.usual`.
USUAL_ABOVE = 0.01


def rises_of(series: Series, interval: Interval) -> Rises:
    """Rises from each bar's entry to the highest price within 1, 2, 4, ... 512 later bars, intraday of its session.

    The entry is the lower of the bar's close and the next open, so no return of a label with that horizon is larger.
    """
    high = np.maximum(series.high, series.close)[1:]
    session = series.session if is_intraday(interval) else np.zeros(len(series), dtype=np.int64)
    entry = np.minimum(series.close[:-1], series.open[1:])
    inside = session[1:] == session[:-1]
    largest, usual = [], []
    for doubling in range(RISE_DOUBLINGS + 1):
        rises = (high / entry - 1.0)[inside]
        largest.append(_nth_largest(rises))
        usual.append(float(np.quantile(rises, 1.0 - USUAL_ABOVE)) if len(rises) else 0.0)
        step = 2**doubling
        if step < len(high):
            same = session[1 + step :] == session[1:-step]
            high[:-step] = np.where(same, np.maximum(high[:-step], high[step:]), high[:-step])
    return Rises(largest=tuple(largest), usual=tuple(usual))


def _nth_largest(values: Floats) -> float:
    """The MIN_CLASS_ROWS-th largest: fewer labels than a class needs can exceed it. 0 if there are fewer values."""
    if len(values) < MIN_CLASS_ROWS:
        return 0.0
    return float(np.partition(values, -MIN_CLASS_ROWS)[-MIN_CLASS_ROWS])
