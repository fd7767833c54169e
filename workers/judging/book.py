"""The book of a strategy: its trades and its daily net returns, marked to market.

The decisions of each bar form a sub-portfolio that is held for one horizon.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.costs import CostRates
from schemas.config.training import Entry
from schemas.contract.judgement import Trading
from workers.bars.series import Floats, Ints, Series
from workers.judging.costs import costs_on
from workers.judging.predictions import Predictions
from workers.scoring.metrics import hit_rate


@dataclass(frozen=True)
class Terms:
    """How decisions are traded.

    `schedule`: cost rates, the earliest first. `slippage`: fraction of the price per side. `order_value`: value of one
    order in currency.
    """

    horizon_bars: int
    entry: Entry
    schedule: tuple[CostRates, ...]
    slippage: float
    order_value: float


@dataclass(frozen=True)
class Book:
    """Trades and daily returns of one strategy.

    `day`: days since 1970-01-01, in order. `net` and `gross`: returns as fractions of the capital, shape
    (days, symbols). `trade_*`: one value per trade; the returns are fractions of its price, the weight is its share of
    the capital. `exposure`: mean share of the capital that is invested.
    """

    day: Ints
    symbols: tuple[str, ...]
    net: Floats
    gross: Floats
    trade_net: Floats
    trade_gross: Floats
    trade_weight: Floats
    exposure: float

    @property
    def daily(self) -> Floats:
        """Net return on the capital per day, shape (days,)."""
        total: Floats = self.net.sum(axis=1)
        return total


def keep_book(
    predictions: Predictions,
    bars: Mapping[str, Series],
    chosen: NDArray[np.bool_],
    terms: Terms,
    *,
    cost_factor: float = 1.0,
    delay_bars: int = 0,
) -> Book:
    """Trade the chosen rows and return the resulting book.

    A trade is entered at `terms.entry`, marked at each close and closed where its label ends; it pays costs on both
    days. Each bar's decisions get `1 / horizon_bars` of the capital, divided equally among the symbols that have a row
    at that bar, whether traded or not. Sub-portfolios are not netted against each other.

    `chosen`: shape (rows,). `cost_factor` multiplies cost and slippage. `delay_bars` shifts entry and exit; a trade
    that would then end after the last bar is left out.
    """
    _, instant, crowd = np.unique(predictions.timestamp, return_inverse=True, return_counts=True)
    weight = 1.0 / (terms.horizon_bars * crowd[instant])
    symbols = tuple(sorted(bars))
    axis = _axis(predictions, bars, terms.horizon_bars + delay_bars)
    net, gross = np.zeros((2, len(axis), len(symbols)))
    parts: list[tuple[Floats, Floats, Floats]] = []
    held = 0.0
    for column, symbol in enumerate(symbols):
        series = bars[symbol]
        mine = np.flatnonzero((predictions.symbol == symbol) & chosen)
        t0 = np.searchsorted(series.timestamp, predictions.timestamp[mine]) + delay_bars
        t1 = np.searchsorted(series.timestamp, predictions.label_end[mine]) + delay_bars
        kept = t1 < len(series)
        mine, t0, t1 = mine[kept], t0[kept], t1[kept]
        price = series.open[t0 + 1] if terms.entry == "next-open" else series.close[t0]
        end = predictions.forward_return[mine] if not delay_bars else series.close[t1] / price - 1.0
        bought = series.session[t0 + 1] if terms.entry == "next-open" else series.session[t0]
        buy, _ = costs_on(bought, terms.schedule, terms.order_value)
        _, sell = costs_on(series.session[t1], terms.schedule, terms.order_value)
        buy, sell = cost_factor * (buy + terms.slippage), cost_factor * (sell + terms.slippage)
        share = weight[mine]
        steps, bar = _marks(series, t0, t1, price, end)
        gross[:, column] = _sum_by_day(axis, series.session[bar], steps * np.repeat(share, t1 - t0))
        paid = _sum_by_day(axis, bought, share * buy) + _sum_by_day(axis, series.session[t1], share * sell)
        net[:, column] = gross[:, column] - paid
        held += float((share * (t1 - t0)).sum())
        parts.append((end - buy - sell, end, share))
    trade_net, trade_gross, trade_weight = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Book(axis, symbols, net, gross, trade_net, trade_gross, trade_weight, held / (instant.max() + 1))


def results(book: Book, periods_per_year: int) -> Trading:
    """Summarise a book with `periods_per_year` days a year: returns, ratios, drawdown and costs.

    None for what its trades or days do not determine.
    """
    daily, trades = book.daily, len(book.trade_net)
    total = np.cumsum(daily)
    below = total - np.maximum(np.maximum.accumulate(total), 0.0)
    hits = hit_rate(book.trade_net > 0) if trades else None
    won, lost = book.trade_net[book.trade_net > 0].sum(), -book.trade_net[book.trade_net < 0].sum()
    downside = float(np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2)))
    deviation = float(daily.std(ddof=1)) if len(daily) > 1 else 0.0
    year = np.sqrt(periods_per_year)
    return Trading(
        trades=trades,
        hit_rate=hits.rate if hits else None,
        hit_low=hits.low if hits else None,
        hit_high=hits.high if hits else None,
        net_bps_a_trade=float(book.trade_net.mean() * 1e4) if trades else None,
        net_bps_a_day=float(daily.mean() * 1e4),
        sharpe=float(daily.mean() / deviation * year) if deviation else None,
        sortino=float(daily.mean() / downside * year) if downside else None,
        drawdown_bps=float(-below.min() * 1e4),
        drawdown_days=_longest(below < 0),
        turnover_a_day=float(book.trade_weight.sum() / len(daily)),
        exposure=book.exposure,
        profit_factor=float(won / lost) if lost else None,
        break_even_bps=float(np.average(book.trade_gross, weights=book.trade_weight) * 1e4) if trades else None,
    )


def _marks(series: Series, t0: Ints, t1: Ints, price: Floats, end: Floats) -> tuple[Floats, Ints]:
    """Return the change in value of each trade at each bar in `(t0, t1]`, as a fraction of its price, and the bar."""
    length = t1 - t0
    first = np.cumsum(length) - length
    bar = np.arange(int(length.sum())) + np.repeat(t0 + 1 - first, length)
    value = series.close[bar] / np.repeat(price, length) - 1.0
    value[first + length - 1] = end
    before = np.concatenate([[0.0], value[:-1]])
    before[first] = 0.0
    return value - before, bar


def _axis(predictions: Predictions, bars: Mapping[str, Series], reach: int) -> Ints:
    """Return every session from the first decision to the last bar that a trade could reach, as days since 1970."""
    sessions = []
    for symbol, series in bars.items():
        instants = predictions.timestamp[predictions.symbol == symbol]
        last = int(np.searchsorted(series.timestamp, instants.max())) + reach
        sessions.append(series.session[int(np.searchsorted(series.timestamp, instants.min())) : last + 1])
    return np.unique(np.concatenate(sessions))


def _sum_by_day(axis: Ints, day: Ints, value: Floats) -> Floats:
    return np.bincount(np.searchsorted(axis, day), weights=value, minlength=len(axis)).astype(np.float64)


def _longest(flags: NDArray[np.bool_]) -> int:
    padded = np.concatenate([[False], flags, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
