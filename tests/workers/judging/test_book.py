"""Daily returns of trades, checked by hand: marks, shares, costs per day, and statistics of them."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from schemas.config.costs import CostRates, Costs
from schemas.config.run import RunConfig
from tests.strategies import daily_walk, part
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Series
from workers.judging.book import Terms, keep_book, results
from workers.judging.costs import NSE_DELIVERY, NSE_INTRADAY, costs_on, schedule_of, side_costs
from workers.judging.predictions import Predictions

FREE = (CostRates(since=date.min),)
LAKH = 100_000.0


def terms(**changes: Any) -> Terms:
    """Horizon of two bars, entry at the next open, no costs."""
    values: dict[str, Any] = {
        "horizon_bars": 2,
        "entry": "next-open",
        "schedule": FREE,
        "slippage": 0.0,
        "order_value": LAKH,
    }
    return Terms(**values | changes)


def rows(bars: dict[str, Series], t0: list[int], horizon: int = 2, entry: str = "next-open") -> Predictions:
    """Decisions of every symbol at these bars, their labels ended by the horizon."""
    at = np.array(t0)
    many = len(bars) * len(at)
    parts = []
    for series in bars.values():
        price = series.open[at + 1] if entry == "next-open" else series.close[at]
        parts.append(series.close[at + horizon] / price - 1.0)
    first = next(iter(bars.values()))
    flat: Floats = np.full(many, 0.5)
    return Predictions(
        symbol=np.repeat(np.array(list(bars), dtype=object), len(at)),
        timestamp=np.tile(first.timestamp[at], len(bars)),
        label_end=np.tile(first.timestamp[at + horizon], len(bars)), day=np.tile(first.session[at], len(bars)),
        y=np.zeros(many), forward_return=np.concatenate(parts), student=flat, alone=flat, logistic=flat, teacher=flat,
        prior=flat, window_share=flat, trade_above=flat, window=np.array(["w"] * many, dtype=object),
    )  # fmt: skip


@pytest.mark.parametrize("entry", ["next-open", "close"])
def test_one_trade_by_hand(entry: str) -> None:
    """In at the open or the close before, marked at each close; its days add up to its return on half the capital."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10], entry=entry)
    book = keep_book(p, {"A": series}, np.array([True]), terms(entry=entry))
    price = series.open[11] if entry == "next-open" else series.close[10]
    first, second = series.close[11] / price - 1.0, (series.close[12] - series.close[11]) / price
    by_day = dict(zip(book.day.tolist(), book.daily.tolist(), strict=True))
    assert by_day[series.session[11]] == pytest.approx(first / 2)
    assert by_day[series.session[12]] == pytest.approx(second / 2)
    assert book.daily.sum() == pytest.approx(p.forward_return[0] / 2)


def test_idle_symbols_keep_their_share() -> None:
    """Where two symbols have a row and one is taken, it gets half of the day's part; the rest stays idle."""
    bars = {"A": daily_walk(30, seed=1), "B": daily_walk(30, seed=2)}
    p = rows(bars, [10])
    book = keep_book(p, bars, np.array([True, False]), terms())
    assert book.daily.sum() == pytest.approx(p.forward_return[0] / 4)
    assert (book.symbols, book.net[:, 1].any()) == (("A", "B"), False)


def test_overlapping_decisions_never_use_more_than_the_capital() -> None:
    """With a decision each bar, always taken, all of the capital is in the market, and no more."""
    series = daily_walk(60, seed=3)
    t0 = list(range(5, 50))
    book = keep_book(rows({"A": series}, t0), {"A": series}, np.ones(len(t0), bool), terms())
    assert book.exposure == pytest.approx(1.0)
    assert results(book, 252).turnover_a_day == pytest.approx(len(t0) / 2 / len(book.day))


def test_costs_fall_due_on_the_days_of_buying_and_selling() -> None:
    """Buying is paid on the entry's day, selling on the exit's, each with its slippage."""
    series = daily_walk(30, seed=1)
    rates = (CostRates(since=date.min, tax_buy_bps=10.0, tax_sell_bps=30.0),)
    p = rows({"A": series}, [10])
    book = keep_book(p, {"A": series}, np.array([True]), terms(schedule=rates, slippage=5e-4))
    paid = dict(zip(book.day.tolist(), (book.gross - book.net)[:, 0].tolist(), strict=True))
    assert paid[series.session[11]] == pytest.approx(15e-4 / 2)
    assert paid[series.session[12]] == pytest.approx(35e-4 / 2)
    assert book.trade_net[0] == pytest.approx(p.forward_return[0] - 50e-4)


def test_stress() -> None:
    """Twice the cost costs twice; a bar late enters and leaves a bar later, and drops what would end after the last."""
    series = daily_walk(16, seed=4)
    p = rows({"A": series}, [10, 13])
    rates = (CostRates(since=date.min, exchange_bps=10.0),)
    taken = np.array([True, True])
    dear = keep_book(p, {"A": series}, taken, terms(schedule=rates), cost_factor=2.0)
    assert (dear.trade_gross - dear.trade_net) == pytest.approx([40e-4, 40e-4])
    late = keep_book(p, {"A": series}, taken, terms(), delay_bars=1)
    assert late.trade_gross == pytest.approx([series.close[13] / series.open[12] - 1.0])


def test_results_by_hand() -> None:
    """Largest drawdown, its length, break-even and profit factor of three trades one after the other."""
    series = part(daily_walk(40, seed=5), slice(0, 40))
    t0 = [5, 10, 15]
    p = rows({"A": series}, t0)
    found = results(keep_book(p, {"A": series}, np.ones(3, bool), terms()), 252)
    gross = p.forward_return
    assert found.trades == 3
    assert found.break_even_bps == pytest.approx(gross.mean() * 1e4)
    assert found.hit_rate == pytest.approx((gross > 0).mean())
    won, lost = gross[gross > 0].sum(), -gross[gross < 0].sum()
    assert found.profit_factor == (pytest.approx(won / lost) if lost else None)


def test_what_was_never_traded_is_none() -> None:
    """Without a trade there is no hit rate, no ratio and no break-even: None, never a stand-in number."""
    series = daily_walk(30, seed=1)
    found = results(keep_book(rows({"A": series}, [10]), {"A": series}, np.array([False]), terms()), 252)
    assert (found.trades, found.net_bps_a_day, found.drawdown_bps) == (0, 0.0, 0.0)
    assert found.hit_rate is found.sharpe is found.break_even_bps is found.profit_factor is None


@pytest.mark.parametrize(
    ("schedule", "order_value", "bps"),
    [
        (NSE_DELIVERY, LAKH, 23.8), (NSE_DELIVERY, 10 * LAKH, 22.4), (NSE_INTRADAY, LAKH, 8.3),
        (NSE_INTRADAY, 10 * LAKH, 4.0),
    ],
)  # fmt: skip
def test_a_round_trip_on_nse(schedule: tuple[CostRates, ...], order_value: float, bps: float) -> None:
    """Brokers' sheets: 23.8 bps of delivery and 8.3 intraday on one lakh of rupees, 22.4 and 4.0 on ten."""
    assert sum(side_costs(schedule[-1], order_value)) * 1e4 == pytest.approx(bps, abs=0.05)


def test_rates_hold_from_their_day_on() -> None:
    """The exchange's fee of the day before the change is the old one; a day before the first rates is an error."""
    days = np.array([day_number(date(2024, 9, 30)), day_number(date(2024, 10, 1))])
    buy, _ = costs_on(days, NSE_DELIVERY, LAKH)
    assert (buy[0] - buy[1]) * 1e4 == pytest.approx(1.18 * (0.325 - 0.297))
    with pytest.raises(ValueError, match="no cost rates before 2024-10-01"):
        costs_on(days, (CostRates(since=date(2024, 10, 1)),), LAKH)


def test_schedules_come_from_the_config() -> None:
    """Flat costs are half a side; a file's rates are put in order of their day."""
    base = {"start_date": "2020-01-01", "end_date": "2021-01-01"}
    assert sum(side_costs(schedule_of(RunConfig(**base))[0], LAKH)) == pytest.approx(24e-4)
    given = [{"since": "2022-01-01"}, {"since": "2020-01-01"}]
    config = RunConfig(**base, costs=Costs.CONFIG, cost_rates=given)
    assert [rates.since.year for rates in schedule_of(config)] == [2020, 2022]
