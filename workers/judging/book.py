"""The book of a strategy: decisions become target weights per symbol and bar, which are netted, held and traded.

A position changes only by what the target asks for beyond the no-trade band; costs are paid on what changes hands.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.costs import CostRates
from schemas.config.training import Entry
from schemas.contract.errors import DataError
from workers.bars.calendar import day_of
from workers.bars.jumps import jumps
from workers.bars.series import Floats, Ints, Series
from workers.judging.costs import costs_on
from workers.judging.liquidity import root_liquidity
from workers.judging.predictions import Predictions

WEIGHT_DIGITS = 12  # rounding that leaves a sum of weights at exactly 0 when all of them have ended
DAYS_PER_YEAR = 365  # calendar days, which borrowed shares are charged for
TOLERANCE = 1e-9  # of a comparison of weights


@dataclass(frozen=True)
class Terms:
    """How decisions are traded.

    `by_session`: positions are closed at the last close of a session. `skip_jumps`: a night with a jump of prices that
    no corporate action explains earns nothing. `band`: a position that drifts is left alone within this share of its
    target. `borrow`: cost of a short position per year, as a fraction of its value. `schedule`: cost rates, the
    earliest first. `slippage`: fraction of the price per side. `order_value`: value of one order in currency. `impact`:
    slippage of a trade as large as a day's traded value, in daily volatilities, at a capital of `capital` in currency.
    """

    horizon_bars: int
    entry: Entry
    by_session: bool
    skip_jumps: bool
    band: float
    borrow: float
    schedule: tuple[CostRates, ...]
    slippage: float
    order_value: float
    impact: float
    capital: float


@dataclass(frozen=True)
class Decisions:
    """What a strategy holds; one value per row of the predictions in each array.

    `weight`: above 0 long, below 0 short, 0 nothing, in units of a decision's share of the capital,
    `1 / (horizon_bars * symbols)`.
    `end`: timestamp of the bar at whose close the decision ends.
    """

    weight: Floats
    end: Ints


@dataclass(frozen=True)
class Book:
    """Daily returns of one strategy on a constant capital.

    `day`: days since 1970-01-01, in order. Of shape (days, symbols), as fractions of the capital: `net` and `gross`
    returns, `traded` value on both sides, `impact`: cost at an `impact` of 1 and a capital of 1; NaN where it is not
    known. `exposure`: mean share of the capital that is invested, long and short added.
    """

    day: Ints
    symbols: tuple[str, ...]
    net: Floats
    gross: Floats
    traded: Floats
    impact: Floats
    exposure: float

    @property
    def daily(self) -> Floats:
        """Net return on the capital per day, shape (days,)."""
        total: Floats = self.net.sum(axis=1)
        return total


def keep_book(
    predictions: Predictions,
    bars: Mapping[str, Series],
    decisions: Decisions,
    terms: Terms,
    *,
    cost_factor: float = 1.0,
    delay_bars: int = 0,
) -> Book:
    """Trade decisions and return the resulting book.

    A decision has its share of the capital until its end; the decisions alive at a bar add up to the symbol's target
    weight. The target is traded at `terms.entry`, also where it falls, so positions are carried overnight. What is held
    after the last bar is sold at its close. A symbol without a decision holds nothing, and its share stays idle.

    `cost_factor` multiplies all costs. `delay_bars` shifts decisions and ends. DataError if `terms.impact` needs a
    traded value that bars do not have.
    """
    symbols = tuple(sorted(bars))
    axis = _axis(predictions, bars, terms.horizon_bars + delay_bars + 1)
    factors = {symbol: _jump_factor(bars[symbol], terms.skip_jumps) for symbol in symbols}
    columns = [
        _keep_symbol(predictions, bars[symbol], factors[symbol], symbol, decisions, terms, delay_bars)
        for symbol in symbols
    ]
    share = 1.0 / (terms.horizon_bars * len(symbols))
    gross, bought, sold, short = (
        share * np.stack([_sum_by_day(axis, *part[name]) for part in columns], axis=1)
        for name in ("gross", "bought", "sold", "short")
    )
    traded = bought + sold
    root = np.stack(
        [root_liquidity(series, series.close * factors[symbol], axis) for symbol, series in sorted(bars.items())],
        axis=1,
    )
    impact = np.where(traded > 0, traded**1.5 * root, 0.0)
    buy, sell = costs_on(axis, terms.schedule, terms.order_value)
    paid = bought * (buy + terms.slippage)[:, None] + sold * (sell + terms.slippage)[:, None]
    paid = paid + terms.borrow / DAYS_PER_YEAR * short
    if terms.impact:
        _refuse_unknown(impact, axis, symbols)
        paid = paid + terms.impact * np.sqrt(terms.capital) * impact
    exposure = share * sum(float(part["held"][1].mean()) for part in columns)
    return Book(axis, symbols, gross - cost_factor * paid, gross, traded, impact, exposure)


def _keep_symbol(
    predictions: Predictions,
    series: Series,
    factor: Floats,
    symbol: str,
    decisions: Decisions,
    terms: Terms,
    delay_bars: int,
) -> dict[str, tuple[Ints, Floats]]:
    """Days and values of one symbol's gross returns, purchases, sales and holdings, in shares of a decision.

    `short`: value that is short over a night at the close before it, times the calendar days to the next session.
    """
    mine = predictions.rows_of[symbol]
    t0 = np.searchsorted(series.timestamp, predictions.timestamp[mine])
    first, last = int(t0.min()), min(int(t0.max()) + terms.horizon_bars + delay_bars + 1, len(series) - 1)
    span = slice(first, last + 1)
    session = series.session[span]
    opening, close = (prices[span] * factor[span] for prices in (series.open, series.close))
    t1 = np.searchsorted(series.timestamp, decisions.end[mine]) - first + delay_bars
    t0 = t0 - first
    if terms.by_session:
        t1 = np.minimum(t1, _last_of_session(session)[t0])
    target = _target(len(close), t0 + delay_bars, t1, decisions.weight[mine])
    price, day = _executions(session, opening, close, terms)
    units = _held(target, price, terms.band)
    before = np.concatenate([[0.0], units[:-1]])
    change = units - before
    overnight = np.where(day == session, units, before)
    gain = before[:-1] * (price[:-1] - close[:-1]) + units[:-1] * (close[1:] - price[:-1])
    return {
        "gross": (session[1:], gain),
        "bought": (day, np.maximum(change, 0.0) * price),
        "sold": (day, np.maximum(-change, 0.0) * price),
        "short": (session[1:], np.maximum(-overnight[:-1], 0.0) * close[:-1] * np.diff(session)),
        "held": (session[1:], np.abs(units[:-1]) * close[1:]),
    }


def _jump_factor(series: Series, skip_jumps: bool) -> Floats:
    """Factor per bar that prices are multiplied by, so that nights with an unexplained jump have a return of 0."""
    step = np.ones(len(series))
    if skip_jumps:
        found = jumps(series)
        step[found] = series.close[found - 1] / series.open[found]
    return np.asarray(np.cumprod(step), dtype=np.float64)


def _last_of_session(session: Ints) -> Ints:
    """The last bar of each bar's session, shape (bars,)."""
    result: Ints = np.searchsorted(session, session, side="right") - 1
    return result


def _target(bars: int, t0: Ints, t1: Ints, weight: Floats) -> Floats:
    """Sum of the weights of the decisions alive at each bar, `t0 <= bar < t1`; 0 at the last bar."""
    alive = (weight != 0) & (t0 < t1) & (t0 < bars - 1)
    t0, t1, weight = t0[alive], np.minimum(t1[alive], bars - 1), weight[alive]
    change = np.bincount(t0, weight, bars) - np.bincount(t1, weight, bars)
    return np.asarray(np.round(np.cumsum(change), WEIGHT_DIGITS), dtype=np.float64)


def _executions(session: Ints, opening: Floats, close: Floats, terms: Terms) -> tuple[Floats, Ints]:
    """Price and day at which the target of each bar is traded: the next open or the bar's close."""
    after = np.minimum(np.arange(len(close)) + 1, len(close) - 1)
    at_close = np.full(len(close), terms.entry == "close")
    at_close[-1] = True
    if terms.by_session:
        at_close |= session[after] != session
    return np.where(at_close, close, opening[after]), np.where(at_close, session, session[after])


def _held(target: Floats, price: Floats, band: float) -> Floats:
    """Units held after each bar, starting from 0.

    A target that moves by more than `band` of itself is traded in full. At any other bar the units are the nearest to
    those before that are worth between `1 - band` and `1 + band` of the target. Both are clips, whose composition is
    associative: it is computed for all bars in log2(bars) steps instead of one bar after the other.
    Source of the rule: Davis and Norman (1990), Portfolio selection with transaction costs.
    """
    moved = np.abs(np.diff(target, prepend=0.0)) > band * np.abs(target) + TOLERANCE
    width = np.where(moved, 0.0, band)
    edges = np.stack([target * (1.0 - width), target * (1.0 + width)]) / price
    low, high = edges.min(axis=0), edges.max(axis=0)
    step = 1
    while step < len(target):
        low[step:], high[step:] = (
            np.clip(low[:-step], low[step:], high[step:]), np.clip(high[:-step], low[step:], high[step:]),
        )  # fmt: skip
        step *= 2
    result: Floats = np.clip(0.0, low, high)
    return result


def _refuse_unknown(impact: Floats, axis: Ints, symbols: tuple[str, ...]) -> None:
    unknown: NDArray[np.int64] = np.argwhere(~np.isfinite(impact))
    if len(unknown):
        day, column = unknown[0]
        raise DataError(
            f"{symbols[column]} has no traded value in the sessions before {day_of(axis[day])}, which --impact needs;"
            " leave out the symbol, or set --impact 0"
        )


def _axis(predictions: Predictions, bars: Mapping[str, Series], reach: int) -> Ints:
    """Return every session from the first decision to the last bar that a trade could reach, as days since 1970."""
    sessions = []
    for symbol, series in bars.items():
        instants = predictions.timestamp[predictions.rows_of[symbol]]
        last = int(np.searchsorted(series.timestamp, instants.max())) + reach
        sessions.append(series.session[int(np.searchsorted(series.timestamp, instants.min())) : last + 1])
    return np.unique(np.concatenate(sessions))


def _sum_by_day(axis: Ints, day: Ints, value: Floats) -> Floats:
    return np.bincount(np.searchsorted(axis, day), weights=value, minlength=len(axis)).astype(np.float64)
