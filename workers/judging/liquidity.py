"""Liquidity of a symbol per day: what the square-root law of market impact needs."""

import numpy as np

from workers.bars.series import Floats, Ints, Series

SESSIONS = 20  # sessions before a day over which volatility and traded value are taken


def root_liquidity(series: Series, close: Floats, days: Ints) -> Floats:
    """Daily volatility over the root of the daily traded value, per day of `days`, shape (days,).

    `close`: closes without jumps, shape (bars,), for the volatility. Both are of the 20 sessions before the day, the
    value a mean in currency. A trade of value q costs this times sqrt(q), as a fraction of q, at an impact of 1. Days
    before 20 sessions are known have the first known value. NaN where nothing is known or was traded.
    Source: Toth and others (2011), Anomalous price impact.
    """
    session, first = np.unique(series.session, return_index=True)
    if len(session) <= SESSIONS + 1:
        return np.full(len(days), np.nan)
    last = np.append(first[1:], len(series)) - 1
    traded = np.add.reduceat(series.close * series.volume, first)
    moved = np.diff(np.log(close[last])) ** 2
    place = np.clip(np.searchsorted(session, days), SESSIONS + 1, len(session))
    variance = _mean_before(moved, place - 1)
    value = _mean_before(traded, place)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where(value > 0, np.sqrt(variance / value), np.nan)
    return result


def _mean_before(x: Floats, place: Ints) -> Floats:
    """Mean of the `SESSIONS` values before each place."""
    result: Floats = np.lib.stride_tricks.sliding_window_view(x, SESSIONS).mean(axis=1)[place - SESSIONS]
    return result
