"""The netted book, checked by hand and against a slow simulator: targets, trades, costs per day, and its statistics."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.costs import CostRates, Costs
from schemas.config.run import RunConfig
from schemas.contract.errors import DataError
from tests.strategies import daily_walk, examples, intraday_walk
from workers.bars.calendar import day_number
from workers.bars.jumps import jumps
from workers.bars.series import Floats, Ints, Series
from workers.judging.book import Book, Decisions, Terms, keep_book
from workers.judging.costs import NSE_DELIVERY, NSE_INTRADAY, costs_on, schedule_of, side_costs
from workers.judging.liquidity import root_liquidity
from workers.judging.long_short import long_short
from workers.judging.performance import below_peak, overlap_interval, results
from workers.judging.predictions import Predictions

FREE = (CostRates(since=date.min),)
DEAR = (CostRates(since=date.min, tax_buy_bps=10.0, tax_sell_bps=30.0),)
LAKH = 100_000.0
CASH = np.zeros(1)  # a benchmark without returns: no alpha


def terms(**changes: Any) -> Terms:
    """Horizon of two bars, entry at the next open, no band, no costs."""
    values: dict[str, Any] = {
        "horizon_bars": 2, "entry": "next-open", "by_session": False, "skip_jumps": True, "band": 0.0, "borrow": 0.0,
        "schedule": FREE, "slippage": 0.0, "order_value": LAKH, "impact": 0.0, "capital": 1e7,
    }  # fmt: skip
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


def held(p: Predictions, *weight: float) -> Decisions:
    """Decisions with these weights, all rows long if none is given, until their labels end."""
    return Decisions(np.array(weight) if weight else np.ones(len(p)), p.label_end)


def by_day(book: Book, values: Floats) -> dict[int, float]:
    """One number per day."""
    return dict(zip(book.day.tolist(), values.tolist(), strict=True))


def gross_by_day(book: Book) -> dict[int, float]:
    """Gross return per day."""
    return by_day(book, book.gross.sum(axis=1))


def test_one_decision_by_hand() -> None:
    """In at the next open with half of the capital, over the night, out at the open after its end."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10])
    found = gross_by_day(keep_book(p, {"A": series}, held(p), terms()))
    units = 0.5 / series.open[11]
    # Without a band the position is traded back to half of the capital at each open.
    again = 0.5 / series.open[12]
    assert found[series.session[11]] == pytest.approx(units * (series.close[11] - series.open[11]))
    night, day = series.open[12] - series.close[11], series.close[12] - series.open[12]
    assert found[series.session[12]] == pytest.approx(units * night + again * day)
    assert found[series.session[13]] == pytest.approx(again * (series.open[13] - series.close[12]))
    assert sum(found.values()) == pytest.approx(sum(found[series.session[bar]] for bar in (11, 12, 13)))


def test_entry_at_the_close_by_hand() -> None:
    """In at the close of the decision's bar, out at the close of its end: half of the label's return."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10], entry="close")
    book = keep_book(p, {"A": series}, held(p), terms(entry="close", band=0.9))
    assert book.daily.sum() == pytest.approx(p.forward_return[0] / 2)


def test_overlapping_decisions_are_netted() -> None:
    """With a decision at every bar, all of the capital is held throughout, and only its drift is traded."""
    series = daily_walk(60, seed=3)
    t0 = list(range(5, 50))
    p = rows({"A": series}, t0)
    book = keep_book(p, {"A": series}, held(p), terms(band=0.2))
    bought = by_day(book, book.traded.sum(axis=1))
    # Half of the capital at each of the first two opens, half sold at each of the last two, drift in between.
    assert bought[series.session[6]] == pytest.approx(0.5)
    assert book.traded.sum() < 2.5
    assert keep_book(p, {"A": series}, held(p), terms()).traded.sum() > book.traded.sum()
    own = rows({"A": series}, [5, 20, 35])
    apart = keep_book(own, {"A": series}, held(own), terms(band=0.2))
    assert apart.traded.sum() > 0.9 * 3  # three decisions that do not overlap: each is bought and sold


def test_idle_shares_stay_idle() -> None:
    """Where two symbols have a row and one is held, it has half of the capital's part; the rest is idle."""
    bars = {"A": daily_walk(30, seed=1), "B": daily_walk(30, seed=2)}
    p = rows(bars, [10])
    book = keep_book(p, bars, held(p, 1.0, 0.0), terms())
    alone = keep_book(rows({"A": bars["A"]}, [10]), {"A": bars["A"]}, held(rows({"A": bars["A"]}, [10])), terms())
    assert book.daily.sum() == pytest.approx(alone.daily.sum() / 2)
    assert (book.symbols, book.traded[:, 1].any()) == (("A", "B"), False)


def test_a_short_decision_earns_the_fall() -> None:
    """A weight of -1 is the mirror of 1 before costs, and is sold first, then bought."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10])
    long, short = (keep_book(p, {"A": series}, held(p, each), terms(schedule=DEAR)) for each in (1.0, -1.0))
    assert short.gross == pytest.approx(-long.gross)
    paid = by_day(short, (short.gross - short.net)[:, 0])
    assert paid[series.session[11]] == pytest.approx(0.5 * 30e-4)


def test_a_short_position_pays_for_its_nights() -> None:
    """A year's rate over 365 of the value at the close before, per calendar day; a long one and one day pay nothing."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10])
    how = terms(borrow=0.365, band=0.9)
    book = keep_book(p, {"A": series}, held(p, -1.0), how)
    paid, units = by_day(book, (book.gross - book.net)[:, 0]), 0.5 / series.open[11]
    nights = np.diff(series.session)
    by_hand = [units * series.close[bar - 1] * nights[bar - 1] * 1e-3 for bar in (12, 13)]
    assert [paid[series.session[bar]] for bar in (12, 13)] == pytest.approx(by_hand)
    assert sum(paid.values()) == pytest.approx(sum(by_hand))
    long = keep_book(p, {"A": series}, held(p, 1.0), how)
    assert long.net == pytest.approx(long.gross)


def test_the_long_short_weights_by_hand() -> None:
    """Five symbols ranked: the highest has a third of the gross, the next a sixth, the middle one nothing."""
    bars = {name: daily_walk(30, seed) for seed, name in enumerate("ABCDEF")}
    p = rows(bars, [10, 11])
    score = np.array([0.1, 0.5, 0.9, 0.5, 0.3, 0.5, 0.2, 0.5, 0.7, 0.5, np.nan, 0.5])
    want = [-2.0, 0.0, 2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert long_short(p, score) == pytest.approx(want)  # six symbols: their shares add up to 6
    few = np.where(p.symbol == "A", np.nan, score)
    assert not long_short(p, few).any()  # four are known at the first instant, all are equal at the second
    first = [0.1, 0.9, 0.3, 0.2, 0.9, 0.7]
    assert long_short(rows(bars, [10]), np.array(first)) == pytest.approx(
        [6 * each / 9 for each in (-2.5, 2.0, -0.5, -1.5, 2.0, 0.5)]
    )


def test_a_long_short_book_by_hand() -> None:
    """Half of the capital is long and half short: the gross return of a bar is half of the difference of returns."""
    bars = {name: daily_walk(30, seed) for seed, name in enumerate("ABCDE")}
    p = rows(bars, [10], horizon=1, entry="close")
    weight = long_short(p, np.array([0.9, 0.8, 0.5, 0.2, 0.1]))
    how = terms(horizon_bars=1, entry="close", schedule=DEAR, slippage=5e-4)
    book = keep_book(p, bars, held(p, *weight), how)
    gain = {name: series.close[11] / series.close[10] - 1.0 for name, series in bars.items()}
    gross = (2 * gain["A"] + gain["B"] - gain["D"] - 2 * gain["E"]) / 6
    assert book.gross.sum() == pytest.approx(gross)
    sold = (2 * (1 + gain["A"]) + 1 + gain["B"] + 3) / 6  # what is long at its end, and what is short at once
    bought = (2 * (1 + gain["E"]) + 1 + gain["D"] + 3) / 6
    assert (book.gross - book.net).sum() == pytest.approx(bought * 15e-4 + sold * 35e-4)


def test_costs_fall_due_on_the_days_of_buying_and_selling() -> None:
    """Purchases pay on the entry's day, sales on the exit's, each with its slippage; twice the cost costs twice."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10])
    book = keep_book(p, {"A": series}, held(p), terms(schedule=DEAR, slippage=5e-4, band=0.5))
    paid, units = by_day(book, (book.gross - book.net)[:, 0]), 0.5 / series.open[11]
    assert paid[series.session[11]] == pytest.approx(0.5 * 15e-4)
    assert paid[series.session[13]] == pytest.approx(units * series.open[13] * 35e-4)
    assert paid[series.session[12]] == 0.0
    twice = keep_book(p, {"A": series}, held(p), terms(schedule=DEAR, slippage=5e-4, band=0.5), cost_factor=2.0)
    assert twice.gross - twice.net == pytest.approx(2 * (book.gross - book.net))


def test_the_last_bar_closes_the_book() -> None:
    """What is held when the bars end is sold at the last close, and pays for it."""
    series = daily_walk(14, seed=4)
    p = rows({"A": series}, [11])
    book = keep_book(p, {"A": series}, held(p), terms(schedule=DEAR))
    paid = by_day(book, (book.gross - book.net)[:, 0])
    assert paid[series.session[13]] > 0.5 * 30e-4 * 0.9
    late = keep_book(p, {"A": series}, held(p), terms(), delay_bars=1)
    first = 0.5 / series.open[13] * (series.close[13] - series.open[13])
    assert late.daily.sum() == pytest.approx(first)


def test_intraday_positions_end_with_the_session() -> None:
    """A label that ends at the session's last bar is sold at that close: no night is held, also traded late."""
    series = intraday_walk(3, 8, seed=5)
    p = rows({"A": series}, list(range(6)))
    book = keep_book(p, {"A": series}, held(p), terms(by_session=True), delay_bars=1)
    nights = replace(series, open=np.where(np.arange(24) % 8, series.open, 7.0))
    assert keep_book(p, {"A": nights}, held(p), terms(by_session=True), delay_bars=1).net == pytest.approx(book.net)
    assert gross_by_day(book)[series.session[0]] != 0.0


def test_a_jump_that_no_action_explains_earns_nothing() -> None:
    """The night of a 1:2 split that is not on record has no return, unless jumps are kept."""
    plain = daily_walk(40, seed=6)
    after = np.arange(40) >= 22
    split = replace(
        plain,
        **{
            name: np.where(after, getattr(plain, name) / 2, getattr(plain, name))
            for name in ("open", "high", "low", "close")
        },
    )
    assert jumps(split).tolist() == [22]
    t0 = list(range(15, 30))
    p = rows({"A": plain}, t0)
    want, found = (keep_book(p, {"A": each}, held(p), terms()) for each in (plain, split))
    night = want.gross[:, 0] - found.gross[:, 0]
    assert night[want.day == plain.session[22]] == pytest.approx(plain.open[22] / plain.close[21] - 1.0, abs=1e-3)
    assert night[want.day != plain.session[22]] == pytest.approx(0.0, abs=1e-12)
    assert keep_book(p, {"A": split}, held(p), terms(skip_jumps=False)).gross.min() < -0.4


def test_impact_grows_with_volatility_and_share_of_traded_value() -> None:
    """The square-root law: twice the impact is twice the cost, four times the capital as well; unknown is an error."""
    series = daily_walk(80, seed=7)
    p = rows({"A": series}, [60])
    free = keep_book(p, {"A": series}, held(p), terms(band=0.9))
    one, double, rich = (
        keep_book(p, {"A": series}, held(p), terms(band=0.9, **changes))
        for changes in ({"impact": 1.0}, {"impact": 2.0}, {"impact": 1.0, "capital": 4e7})
    )
    paid = (free.net - one.net).sum()
    moved = np.diff(np.log(series.close[40:61]))
    by_hand = np.sqrt((moved**2).mean() / (series.close * series.volume)[41:61].mean())
    first = by_day(free, free.traded.sum(axis=1))[series.session[61]]
    assert (free.net - one.net)[free.day == series.session[61]] == pytest.approx(first**1.5 * by_hand * 1e7**0.5)
    assert (free.net - double.net).sum() == pytest.approx(2 * paid) == pytest.approx((free.net - rich.net).sum())
    silent = replace(series, volume=np.zeros(80))
    with pytest.raises(DataError, match="A has no traded value in the sessions before"):
        keep_book(p, {"A": silent}, held(p), terms(impact=1.0))


def test_liquidity_before_twenty_sessions_is_the_first_known() -> None:
    """Days before there are 20 sessions have the first known value; a short history has none."""
    series = daily_walk(60, seed=7)
    found = root_liquidity(series, series.close, series.session)
    assert (found[:22] == found[21]).all() and found[22] != found[21]
    assert np.isnan(root_liquidity(daily_walk(21), daily_walk(21).close, series.session)).all()


def test_capacity_is_where_costs_take_half() -> None:
    """At the capital of its capacity, a book with impact keeps half of its gross return."""
    series = daily_walk(200, seed=8, drift=0.01)
    t0 = list(range(100, 180))
    p = rows({"A": series}, t0)
    free = results(keep_book(p, {"A": series}, held(p), terms()), p, held(p), terms(), 252, CASH)
    assert free.capacity is not None
    full = terms(impact=1.0, capital=free.capacity)
    found = results(keep_book(p, {"A": series}, held(p), full), p, held(p), full, 252, CASH)
    assert found.net_bps_a_day == pytest.approx(found.gross_bps_a_day / 2)
    assert found.capacity == pytest.approx(free.capacity)


def simulated(
    p: Predictions, bars: dict[str, Series], decisions: Decisions, how: Terms, delay: int
) -> dict[tuple[str, int], list[float]]:
    """The book bar by bar, with units of each symbol in hand: gross, net and traded value by symbol and day."""
    found: dict[tuple[str, int], list[float]] = {}
    for symbol, series in bars.items():
        mine = np.flatnonzero(p.symbol == symbol)
        place = {int(instant): bar for bar, instant in enumerate(series.timestamp)}
        lots = []
        for row in mine:
            begin, end = place[int(p.timestamp[row])], place[int(decisions.end[row])] + delay
            if how.by_session:
                end = min(end, int(np.flatnonzero(series.session == series.session[begin])[-1]))
            lots.append((begin + delay, end, float(decisions.weight[row])))
        split = set(jumps(series).tolist()) if how.skip_jumps else set()
        share, units, wanted = 1.0 / (how.horizon_bars * len(bars)), 0.0, 0.0
        band = how.band

        def trade(
            bar: int, price: float, wanted: float, units: float, band: float, how: Terms = how,
            series: Series = series, symbol: str = symbol,
        ) -> float:  # fmt: skip
            low, high = sorted((wanted * (1 - band) / price, wanted * (1 + band) / price))
            goal = min(max(units, low), high)
            entry = found.setdefault((symbol, int(series.session[bar])), [0.0, 0.0, 0.0])
            value = (goal - units) * price
            buy, sell = costs_on(series.session[bar : bar + 1], how.schedule, how.order_value)
            entry[1] -= abs(value) * ((buy[0] if value > 0 else sell[0]) + how.slippage)
            entry[2] += abs(value)
            return goal

        for bar in range(len(series)):
            entry = found.setdefault((symbol, int(series.session[bar])), [0.0, 0.0, 0.0])
            if bar:
                nights = int(series.session[bar] - series.session[bar - 1])
                entry[1] -= max(-units, 0.0) * series.close[bar - 1] * nights * how.borrow / 365
                if bar in split:
                    units *= series.close[bar - 1] / series.open[bar]
                gain = units * (series.open[bar] - series.close[bar - 1]) * (bar not in split)
                last = bar == len(series) - 1
                if how.entry == "next-open" and not (how.by_session and series.session[bar] != series.session[bar - 1]):
                    units = trade(bar, series.open[bar], wanted, units, band)
                gain += units * (series.close[bar] - series.open[bar])
                entry[0] += gain
                entry[1] += gain
            else:
                last = False
            before, wanted = wanted, share * sum(weight for begin, end, weight in lots if begin <= bar < end)
            wanted = 0.0 if last else wanted
            band = 0.0 if abs(wanted - before) > how.band * abs(wanted) + 1e-12 else how.band
            closes = how.by_session and (last or series.session[bar + 1] != series.session[bar])
            if how.entry == "close" or closes or last:
                units = trade(bar, series.close[bar], wanted, units, band)
    return found


@examples(40)
@given(st.data())
def test_the_book_is_that_of_a_slow_simulator(data: st.DataObject) -> None:
    """Whatever the decisions, band, entry, delay, sessions and jumps: gross, net and traded value are equal per day."""
    seed = data.draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    intraday = data.draw(st.booleans())
    horizon, delay = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 2))
    bars = {
        name: intraday_walk(6, 6, seed + number) if intraday else daily_walk(36, seed + number)
        for number, name in enumerate("AB")
    }
    if data.draw(st.booleans()):
        falls = np.where(np.arange(36) >= 18, 0.5, 1.0)
        prices = {name: getattr(bars["A"], name) * falls for name in ("open", "high", "low", "close")}
        bars["A"] = replace(bars["A"], **prices)
    by_session = intraday and data.draw(st.booleans())
    chosen = [t for t in range(36 - horizon) if not by_session or t // 6 == (t + horizon) // 6]
    chosen = [t for t in chosen if rng.random() < 0.7] or chosen[:1]
    entry: Any = data.draw(st.sampled_from(["next-open", "close"]))
    p = rows(bars, chosen, horizon, entry)
    length = rng.integers(1, horizon + 1, len(chosen))
    end: Ints = np.tile(bars["A"].timestamp[np.array(chosen) + length], 2)
    decisions = Decisions(rng.choice([-1.0, 0.0, 0.3, 1.0], len(p)), end)
    how = terms(
        horizon_bars=horizon, entry=entry, by_session=by_session, skip_jumps=data.draw(st.booleans()),
        band=data.draw(st.sampled_from([0.0, 0.1, 0.5])), borrow=data.draw(st.sampled_from([0.0, 0.5])),
        schedule=DEAR, slippage=5e-4,
    )  # fmt: skip
    book = keep_book(p, bars, decisions, how, delay_bars=delay)
    slow = simulated(p, bars, decisions, how, delay)
    for column, symbol in enumerate(book.symbols):
        fast = np.stack([book.gross[:, column], book.net[:, column], book.traded[:, column]], axis=1)
        for day, values in zip(book.day.tolist(), fast, strict=True):
            assert values == pytest.approx(slow.get((symbol, day), [0.0, 0.0, 0.0]), abs=1e-12)
        total = np.sum([values for (name, _), values in slow.items() if name == symbol], axis=0)
        assert fast.sum(axis=0) == pytest.approx(total, abs=1e-12)


def test_what_loses_before_costs_breaks_even_at_none() -> None:
    """A negative cost at which it would break even is no number to show."""
    series = daily_walk(40, seed=5, drift=-0.03)
    p = rows({"A": series}, [5, 10, 15])
    found = results(keep_book(p, {"A": series}, held(p), terms()), p, held(p), terms(), 252, CASH)
    assert found.gross_bps_a_day < 0 and found.break_even_bps is None


def test_results_by_hand() -> None:
    """Break-even, hit rate and turnover of three decisions that do not overlap."""
    series = daily_walk(40, seed=5, drift=0.03)
    p = rows({"A": series}, [5, 10, 15])
    book = keep_book(p, {"A": series}, held(p), terms())
    found = results(book, p, held(p), terms(), 252, CASH)
    assert (found.trades, found.days) == (3, len(book.day))
    assert found.hit_rate == pytest.approx((p.forward_return > 0).mean())
    assert found.break_even_bps == pytest.approx(2e4 * book.gross.sum() / book.traded.sum())
    assert found.break_even_bps is not None and found.break_even_bps > 0
    even = CostRates(since=date.min, exchange_bps=found.break_even_bps / 2)
    assert keep_book(p, {"A": series}, held(p), terms(schedule=(even,))).daily.sum() == pytest.approx(0.0)
    assert found.turnover_a_day == pytest.approx(book.traded.sum() / len(book.day))
    assert found.growth_percent == pytest.approx(100 * np.cumprod(1 + book.daily)[-1] - 100)


def test_drawdown_is_of_the_compounded_equity() -> None:
    """Up 10 %, down 50 %, up 20 %: 50 % below the peak, then 40 %; a loss on the first day counts."""
    assert below_peak(np.array([0.1, -0.5, 0.2])) == pytest.approx([0.0, -0.5, -0.4])
    assert below_peak(np.array([-0.1, 0.05])) == pytest.approx([-0.1, -0.055])


def test_the_interval_of_the_hit_rate_allows_for_overlap() -> None:
    """Twenty symbols that gain and lose together are worth no more than one; the interval holds the rate."""
    series = daily_walk(400, seed=9)
    one, many = ({f"S{i}": series for i in range(count)} for count in (1, 20))
    widths = []
    for bars in (one, many):
        p = rows(bars, list(range(20, 300)))
        found = results(keep_book(p, bars, held(p), terms()), p, held(p), terms(), 252, CASH)
        assert found.hit_low is not None and found.hit_high is not None and found.hit_rate is not None
        assert found.hit_low < found.hit_rate < found.hit_high
        widths.append(found.hit_high - found.hit_low)
    assert widths[0] == pytest.approx(widths[1])


def test_the_interval_of_a_mean_is_none_without_an_error() -> None:
    """Equal values, and values of one day, have no interval; those of two days have one."""
    two = np.array([1, 1, 2])
    assert overlap_interval(two, np.array([0.1, 0.1, 0.1])) == (None, None)
    assert overlap_interval(np.array([1, 1]), np.array([0.1, 0.2])) == (None, None)
    low, high = overlap_interval(two, np.array([0.1, 0.2, 0.4]))
    assert low is not None and high is not None and low < 0.7 / 3 < high


def test_what_was_never_held_is_none() -> None:
    """Without a decision there is no hit rate, no ratio, no break-even and no capacity: None, never a stand-in."""
    series = daily_walk(30, seed=1)
    p = rows({"A": series}, [10])
    found = results(keep_book(p, {"A": series}, held(p, 0.0), terms()), p, held(p, 0.0), terms(), 252, CASH)
    assert (found.trades, found.net_bps_a_day, found.max_drawdown_percent, found.turnover_a_day) == (0, 0.0, 0.0, 0.0)
    assert str(found.max_drawdown_percent) == "0.0"
    assert found.hit_rate is found.sharpe is found.break_even_bps is found.capacity is None


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
