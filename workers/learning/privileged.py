"""Privileged inputs of a teacher: the path inside a label's horizon, and the other symbols' same bar.

They are known by the end of the training span but not at a decision, so a model that uses them cannot be served.
Source: Vapnik and Izmailov (2015), Learning using privileged information.
"""

from collections.abc import Sequence

import numpy as np

from workers.bars.series import Bools, Floats, Ints, Series
from workers.features.cross_section import Grid, market
from workers.learning.labels import Labels

PATH_NAMES = ("path_high", "path_low", "path_high_at", "path_low_at", "path_volatility")
CROSS_SECTION_NAMES = ("market_return", "market_residual", "market_dispersion")


def path(series: Series, labels: Labels, horizon_bars: int) -> Floats:
    """Path of the price from entry to horizon, shape (labels, 5): extremes, their times, and volatility.

    Extremes are returns from the entry's price, volatility is of one bar; both are in units of the volatility known at
    the decision (times sqrt(horizon) for extremes). Times are shares of the horizon. The final return is excluded.
    """
    steps = labels.t0[:, None] + np.arange(1, horizon_bars + 1)
    entry = np.where(labels.entry > labels.t0, series.open[labels.entry], series.close[labels.entry])[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = labels.sigma * np.sqrt(horizon_bars)
        high, low = series.high[steps] / entry - 1.0, series.low[steps] / entry - 1.0
        returns = np.log(series.close[steps] / series.close[steps - 1])
        columns = (
            high.max(axis=1) / unit,
            low.min(axis=1) / unit,
            (high.argmax(axis=1) + 1) / horizon_bars,
            (low.argmin(axis=1) + 1) / horizon_bars,
            returns.std(axis=1) / labels.sigma,
        )
    result: Floats = np.stack(columns, axis=1)
    result[~np.isfinite(result)] = np.nan
    return result


def cross_section(
    instants: Sequence[Ints], returns: Sequence[Floats], members: Sequence[Bools] | None = None
) -> list[Floats]:
    """For each symbol, shape (bars, 3): the mean return of all members on that bar, its own less that, their spread.

    Arguments hold one array per symbol with one value per bar: its time, its return over one bar, and whether the
    symbol belongs to the universe on it; if omitted: all do.
    """
    grid, own = Grid(instants), np.concatenate(list(returns))
    of_members = own if members is None else np.where(np.concatenate(list(members)), own, np.nan)
    mean, spread = (grid.gather(each) for each in market(grid.spread([of_members])))
    return grid.split(np.stack([mean, own - mean, spread], axis=1))
