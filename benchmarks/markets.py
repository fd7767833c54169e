"""Generated markets of daily bars in which the best possible predictor is known.

A market's oracle is the probability of a label given everything that decides prices, as of the decision: fair prices,
volatilities and signals included, which a model must infer from bars. No prediction made at that time can have a
lower expected log loss.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

from schemas.config.training import HORIZON_BARS
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints, Series
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.learning.history import History

FIRST = date(2015, 1, 1)
WALK_NOISE = 0.02
# The share of a log price's distance from the fair price that remains after one day, and a day's noise (deviation).
MEMORY, NOISE = 0.93, 0.03
# Planted information coefficient of the cross-section, and the weight of its signal in a day's idiosyncratic return,
# in units of its volatility. Over five days the signal has an IC of 1.342 times the weight.
PLANTED_IC = 0.05
SIGNAL = PLANTED_IC / 1.342
MARKET_DRIFT, MARKET_NOISE, IDIOSYNCRATIC = 3e-4, 0.009, 0.013
FLIPPED = 0.3  # share of labels that are wrong
LABEL_NOISE, PATH_NOISE = 0.12, 0.5  # of a label, as a log return; of the path, relative to the return's deviation
REGIME_SIGNAL, REGIME_START = 0.35, 100
DRAWS, PATHS = 2000, 256

Relabel = Callable[[History, np.random.Generator], History]


@dataclass(frozen=True)
class Market:
    """Bars of each symbol, and the probability of label 1 at the close of each bar, shape (bars, symbols).

    `absolute`: the price rises from the next open to the close five bars after the decision. `mean`: the expected log
    return over that time; `noise`, shape (draws, symbols): draws of the rest; None where they are not of this form.
    """

    bars: Mapping[str, Series]
    absolute: Floats
    mean: Floats | None = None
    noise: Floats | None = None

    @cached_property
    def rank(self) -> Floats | None:
        """Probability that a symbol's return is above the median of all; None where it is not known."""
        return None if self.mean is None or self.noise is None else above_median(self.mean, self.noise)


@dataclass(frozen=True)
class World:
    """A kind of market.

    `relabel` changes labels, or what a privileged teacher sees, and `oracle` the probability accordingly. `privileged`
    is the teacher's privilege. `ranked`: the world has probabilities of rank labels, and symbols enough to rank.
    """

    rule: str
    symbols: int
    bars: int
    market: Callable[[np.random.Generator, int, int], Market]
    relabel: Relabel | None = None
    oracle: Callable[[Floats, Floats], Floats] | None = None
    privileged: tuple[str, ...] = ()
    ranked: bool = False


def weekdays(bars: int) -> Ints:
    """The first `bars` weekdays from FIRST on, in days since 1970."""
    days = np.arange(day_number(FIRST), day_number(FIRST) + bars * 7 // 5 + 7)
    return days[(days + 3) % 7 < 5][:bars]


def series_of(close: Floats, rng: np.random.Generator) -> Series:
    """Daily bars of log closes. A bar opens at the last close, so a return from the next open is one from the close."""
    session = weekdays(len(close))
    opening = np.concatenate([close[:1], close[:-1]])
    high = np.maximum(opening, close) + rng.uniform(0.0, 0.01, len(close))
    low = np.minimum(opening, close) - rng.uniform(0.0, 0.01, len(close))
    volume = np.exp(rng.normal(11.0, 0.6, len(close)))
    o, h, lo, c = (100.0 * np.exp(values) for values in (opening, high, low, close))
    return Series(session * MICROSECONDS_PER_DAY, session, o, h, lo, c, volume)


def random_walk(rng: np.random.Generator, bars: int) -> Floats:
    """Generate log closes without a signal."""
    return np.cumsum(rng.normal(0.0, WALK_NOISE, bars))


def reverting(rng: np.random.Generator, bars: int) -> Floats:
    """Generate log closes that revert to a fair price within weeks: the distance from it predicts returns."""
    log_close: Floats = lfilter([1.0], [1.0, -MEMORY], rng.normal(0.0, NOISE, bars))
    return log_close


def walks(rng: np.random.Generator, symbols: int, bars: int) -> Market:
    """Random walks: nothing can be predicted."""
    closes = [random_walk(rng, bars) for _ in range(symbols)]
    noise = _antithetic(rng.normal(size=(DRAWS // 2, symbols)))
    zeros = np.zeros((bars, symbols))
    return Market(_named(closes, rng), zeros + 0.5, zeros, noise)


def reverting_prices(rng: np.random.Generator, symbols: int, bars: int) -> Market:
    """Prices that revert to a fair price; a return over five days is normal given the distance from it."""
    closes = [reverting(rng, bars) for _ in range(symbols)]
    mean, deviation = reverting_return(np.stack(closes, axis=1))
    noise = deviation * _antithetic(rng.normal(size=(DRAWS // 2, symbols)))
    return Market(_named(closes, rng), ndtr(mean / deviation), mean, noise)


def reverting_return(log_close: Floats) -> tuple[Floats, float]:
    """Mean and deviation of the log return over the horizon, given the log close at the decision."""
    deviation = NOISE * np.sqrt((MEMORY ** (2.0 * np.arange(HORIZON_BARS))).sum())
    return (MEMORY**HORIZON_BARS - 1.0) * log_close, float(deviation)


def cross_section(rng: np.random.Generator, symbols: int, bars: int) -> Market:
    """A market with betas, and a reversal of five days in what is left of each return.

    A symbol's idiosyncratic return is its volatility times (Student's t(5) noise of unit variance + SIGNAL * s), where
    s is minus the sum of its last five such returns over its volatility, standardised over the symbols.
    """
    volatility = IDIOSYNCRATIC * np.exp(0.25 * rng.normal(size=symbols))
    beta = np.clip(1.0 + 0.3 * rng.normal(size=symbols), 0.2, 2.0)
    market = MARKET_NOISE * rng.standard_t(5, size=bars) + MARKET_DRIFT
    unit = unit_noise(rng, (bars, symbols))
    for t in range(HORIZON_BARS, bars):
        unit[t] += SIGNAL * _standardised(-unit[t - HORIZON_BARS : t].sum(axis=0))
    closes = np.cumsum(beta * market[:, None] + volatility * unit, axis=0)
    mean = volatility * _expected_reversal(unit) + HORIZON_BARS * MARKET_DRIFT * beta
    noise = _antithetic(_five_days_noise(rng, volatility, beta))
    absolute = np.stack([_above(mean[:, i], -noise[:, i]) for i in range(symbols)], axis=1)
    return Market(_named(list(closes.T), rng), absolute, mean, noise)


def unit_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Student's t(5) noise of unit variance."""
    noise: Floats = rng.standard_t(5, size=shape) / np.sqrt(5.0 / 3.0)
    return noise


def _standardised(raw: Floats) -> Floats:
    result: Floats = (raw - raw.mean()) / raw.std()
    return result


def _expected_reversal(unit: Floats) -> Floats:
    """Expected sum of the next five idiosyncratic returns over volatility, at each bar.

    Future signals are standardised by the variance of what is known plus that of the days between.
    """
    expected = np.zeros_like(unit)
    for t in range(HORIZON_BARS - 1, len(unit)):
        last = list(unit[t - HORIZON_BARS + 1 : t + 1])
        for day in range(HORIZON_BARS):
            raw = -np.sum(last[-HORIZON_BARS:], axis=0)
            last.append(SIGNAL * (raw - raw.mean()) / np.sqrt(raw.var() + day))
        expected[t] = np.sum(last[HORIZON_BARS:], axis=0)
    return expected


def _five_days_noise(rng: np.random.Generator, volatility: Floats, beta: Floats) -> Floats:
    """Draws of what is not expected of a return over the horizon, shape (draws, symbols).

    A shock is taken back in part by the signal of the days that follow within the horizon.
    """
    shape = (DRAWS // 2, HORIZON_BARS, len(volatility))
    kept = 1.0 - SIGNAL * np.arange(HORIZON_BARS - 1, -1, -1) / np.sqrt(HORIZON_BARS)
    shocks = (unit_noise(rng, shape) * kept[:, None]).sum(axis=1)
    market = MARKET_NOISE * rng.standard_t(5, size=shape[:2]).sum(axis=1)
    noise: Floats = volatility * shocks + beta * market[:, None]
    return noise


def regimes(rng: np.random.Generator, symbols: int, bars: int) -> Market:
    """Momentum while the last month was calm for a symbol, reversal while it was wild: nothing linear predicts.

    A day's return is its volatility times (normal noise - REGIME_SIGNAL * g * s); log volatility reverts slowly.
    """
    length = bars + REGIME_START
    log_volatility = lfilter([1.0], [1.0, -0.95], rng.normal(0.0, 0.16, (length, symbols)), axis=0)
    noise, returns = rng.normal(size=(length, symbols)), np.zeros((length, symbols))
    for t in range(length):
        drift = regime_drift(_Sums.of(returns[t - 60 : t], np.array([60]))) if t >= 60 else 0.0
        returns[t] = 0.012 * np.exp(log_volatility[t]) * (noise[t] + np.squeeze(drift))
    closes = np.cumsum(returns[REGIME_START:], axis=0)
    absolute = _regime_oracle(rng, returns, log_volatility, np.arange(REGIME_START, length))
    return Market(_named(list(closes.T), rng), absolute)


@dataclass(frozen=True)
class _Sums:
    """Sums of the last 5, 20 and 60 returns, and of the squares of the last 20 and 60."""

    five: Floats
    month: Floats
    month_squared: Floats
    quarter: Floats
    quarter_squared: Floats

    @classmethod
    def of(cls, returns: Floats, end: Ints, ahead: int = 0) -> "_Sums":
        """Of the returns before each row `end`, without the first `ahead` of each span: shape (ends, symbols, 1)."""
        total = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(returns, axis=0)])
        squared = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(returns**2, axis=0)])

        def span(sums: Floats, many: int) -> Floats:
            return (sums[end] - sums[end - many + ahead])[..., None]

        return cls(span(total, 5), span(total, 20), span(squared, 20), span(total, 60), span(squared, 60))

    def plus(self, added: Floats, added_squared: Floats) -> "_Sums":
        """With the same returns added to every span."""
        return _Sums(
            self.five + added, self.month + added, self.month_squared + added_squared,
            self.quarter + added, self.quarter_squared + added_squared,
        )  # fmt: skip


def regime_drift(known: _Sums) -> Floats:
    """What is expected of the next return, in units of its volatility."""
    month = np.sqrt(np.maximum(known.month_squared / 20 - (known.month / 20) ** 2, 0.0)) + 1e-9
    quarter = np.sqrt(np.maximum(known.quarter_squared / 60 - (known.quarter / 60) ** 2, 0.0)) + 1e-9
    trend = np.clip(known.five / (np.sqrt(5.0) * month), -2.0, 2.0)
    drift: Floats = -REGIME_SIGNAL * np.tanh(2.0 * np.log(month / quarter) / 0.3) * trend
    return drift


def _regime_oracle(rng: np.random.Generator, returns: Floats, log_volatility: Floats, decided: Ints) -> Floats:
    """Probability of a rise over the horizon by simulated paths, each one's last day in closed form."""
    shape = (len(decided), returns.shape[1], PATHS)
    level = np.broadcast_to(log_volatility[decided][..., None], shape)
    total, squared = np.zeros(shape), np.zeros(shape)
    for day in range(1, HORIZON_BARS + 1):
        level = 0.95 * level + 0.16 * rng.normal(size=shape)
        drift = regime_drift(_Sums.of(returns, decided + 1, day - 1).plus(total, squared))
        if day == HORIZON_BARS:
            break
        step = 0.012 * np.exp(level) * (_antithetic(rng.normal(size=(*shape[:2], PATHS // 2)), axis=-1) + drift)
        total, squared = total + step, squared + step**2
    chance: Floats = ndtr(total / (0.012 * np.exp(level)) + drift).mean(axis=-1)
    return chance


def above_median(mean: Floats, noise: Floats) -> Floats:
    """Probability that each symbol's return is above the median of all, shape (bars, symbols).

    `mean`: expected returns; `noise`, shape (draws, symbols): the rest.
    """
    result = np.empty_like(mean)
    for t, expected in enumerate(mean):
        drawn = noise + expected
        result[t] = (drawn > np.median(drawn, axis=1, keepdims=True)).mean(axis=0)
    return result


def _above(mean: Floats, noise: Floats) -> Floats:
    """Share of the draws of `noise` below each mean."""
    return np.searchsorted(np.sort(noise), mean) / len(noise)


def _antithetic(noise: Floats, axis: int = 0) -> Floats:
    return np.concatenate([noise, -noise], axis=axis)


def _named(closes: Sequence[Floats], rng: np.random.Generator) -> dict[str, Series]:
    return {f"W{number:02d}": series_of(close, rng) for number, close in enumerate(closes)}


def flip_labels(history: History, rng: np.random.Generator) -> History:
    """A share of the labels is wrong, in training and in scoring."""
    flipped = rng.random(len(history.labels)) < FLIPPED
    return _with_labels(history, np.where(flipped, 1 - history.labels.y, history.labels.y))


def blur_labels(history: History, rng: np.random.Generator) -> History:
    """Labels are of the return plus noise; the path, which a privileged teacher sees, is the return plus less noise."""
    returned = np.log1p(history.labels.forward_return)
    path = returned / returned.std() + PATH_NOISE * rng.normal(size=len(returned))
    blurred = _with_labels(history, returned + LABEL_NOISE * rng.normal(size=len(returned)) > 0)
    return replace(blurred, path=path[:, None])


def _with_labels(history: History, y: NDArray[np.int8] | NDArray[np.bool_]) -> History:
    return replace(history, labels=replace(history.labels, y=y.astype(np.int8)))


def _flipped_oracle(p: Floats, _: Floats) -> Floats:
    return FLIPPED + (1.0 - 2.0 * FLIPPED) * p


def _blurred_oracle(_: Floats, log_close: Floats) -> Floats:
    mean, deviation = reverting_return(log_close)
    chance: Floats = ndtr(mean / np.hypot(deviation, LABEL_NOISE))
    return chance


WORLDS = {
    "random walks": World("nothing predicts", 12, 1000, walks, ranked=True),
    "reverting prices": World("prices revert to a fair price within weeks", 4, 1000, reverting_prices),
    "planted rank": World("a reversal among symbols with an IC of 0.05", 36, 1114, cross_section, ranked=True),
    "label noise": World(
        "reverting prices, 30 % of labels wrong", 8, 700, reverting_prices, flip_labels, _flipped_oracle
    ),
    "privileged path": World(
        "reverting prices, noisy labels, a teacher that sees the return with less noise", 8, 700, reverting_prices,
        blur_labels, _blurred_oracle, ("path",),
    ),
    "short histories": World("reverting prices, 24 symbols of 450 bars", 24, 450, reverting_prices, ranked=True),
    "regimes": World("momentum in calm months, reversal in wild ones", 8, 700, regimes),
}  # fmt: skip
