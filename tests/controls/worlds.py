"""Generated markets with known signals, some of them privileged. Daily bars on weekdays, one seed per symbol."""

import numpy as np

from tests.strategies import FIRST_DAY, MICROSECONDS_PER_DAY, weekdays
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints, Series

REACH = 5  # bars over which a price is remembered by the one that reverts
HALF_RANGE = 0.04  # of a day in the market whose closes are noise, as a log return


def random_walk(bars: int, seed: int) -> Series:
    """No signal. A day opens at the last close, so that a model that reads the next day's bar has skill."""
    rng = np.random.default_rng(seed)
    close = np.cumsum(rng.normal(0.0, 0.02, bars))
    opening = np.concatenate([close[:1], close[:-1]]) + rng.normal(0.0, 0.001, bars)
    high = np.maximum(opening, close) + rng.uniform(0.0, 0.01, bars)
    low = np.minimum(opening, close) - rng.uniform(0.0, 0.01, bars)
    return _series(opening, high, low, close, rng.normal(0.0, 0.6, bars))


def mean_reverting(bars: int, seed: int, pull: float = 0.35) -> Series:
    """Each day's return takes back `pull` of the last five days' together: `return_5` predicts the next day."""
    rng = np.random.default_rng(seed)
    price = np.zeros(bars + REACH)
    for t in range(REACH + 1, len(price)):
        price[t] = price[t - 1] - pull * (price[t - 1] - price[t - 1 - REACH]) + rng.normal(0.0, 0.02)
    close = price[REACH:]
    opening = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opening, close) + rng.uniform(0.0, 0.005, bars)
    low = np.minimum(opening, close) - rng.uniform(0.0, 0.005, bars)
    return _series(opening, high, low, close, rng.normal(0.0, 0.6, bars))


def noisy_closes(bars: int, seed: int) -> Series:
    """Volume predicts the direction of the next day's range; the close is random within the range.

    A label is of closes, so it is a noisy view of where the price went; highs and lows are an exact one. What volume
    means is a symbol's own (up where `seed` is even, else down); what a day's range means is the same for all.
    """
    rng = np.random.default_rng(seed)
    surprise = rng.normal(0.0, 1.0, bars)
    drift = 0.02 * np.concatenate([[0.0], surprise[:-1]])
    price = np.cumsum(drift * (-1) ** seed + rng.normal(0.0, 0.003, bars))
    opening = np.concatenate([[0.0], price[:-1]])
    high, low = np.maximum(price, opening) + HALF_RANGE, np.minimum(price, opening) - HALF_RANGE
    return _series(opening, high, low, price + HALF_RANGE * rng.uniform(-1.0, 1.0, bars), 0.6 * surprise)


def _series(opening: Floats, high: Floats, low: Floats, close: Floats, volume: Floats) -> Series:
    """Bars from logarithms of price and volume."""
    session: Ints = np.array([day_number(day) for day in weekdays(FIRST_DAY, len(close))], dtype=np.int64)
    o, h, lo, c = (100.0 * np.exp(values) for values in (opening, high, low, close))
    return Series(session * MICROSECONDS_PER_DAY, session, o, h, lo, c, np.floor(np.exp(11.0 + volume)))
