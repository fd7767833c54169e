"""Labels: their returns, their ends, and the volatility that scales them."""

from dataclasses import fields, replace
from itertools import product
from math import isfinite, log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.training import TrainingSettings
from tests.strategies import daily_walk, examples, intraday_walk, part, training_settings, walk_on, walks
from workers.bars.series import COLUMNS, Series
from workers.learning.exit_rules import Barrier
from workers.learning.labels import SIGMA_WARMUP_BARS, Labels, label, volatility

GARBAGE = (float("nan"), float("inf"), -1.0, 0.0, 1e-3, 1e9)
HORIZON, UPPER, LOWER = Barrier.HORIZON, Barrier.UPPER, Barrier.LOWER
CALM_BARS = 31

Bar = tuple[float, float, float, float]


@st.composite
def label_settings(draw: st.DrawFn) -> TrainingSettings:
    """Every way to label, with barriers from a tenth of the expected move to three times it."""
    return training_settings(
        interval=draw(st.sampled_from(["1day", "5minute"])),
        label=draw(st.sampled_from(["fixed", "triple-barrier"])),
        horizon_bars=draw(st.integers(1, 6)),
        threshold=draw(st.sampled_from([-1.0, -0.01, 0.0, 0.01, 0.5])),
        threshold_unit=draw(st.sampled_from(["return", "sigma"])),
        take_profit=draw(st.floats(0.1, 3.0)),
        stop_loss=draw(st.floats(0.1, 3.0)),
        entry=draw(st.sampled_from(["next-open", "close"])),
        label_return=draw(st.sampled_from(["gross", "net"])),
        cross_session=draw(st.booleans()),
        cost_bps=draw(st.sampled_from([0.0, 24.0, 300.0])),
    )


@st.composite
def sessions_of_walks(draw: st.DrawFn) -> Series:
    """Random walks whose sessions have one to twenty bars each, one of them twenty."""
    lengths = [*draw(st.lists(st.integers(1, 20), min_size=5, max_size=15)), 20]
    return walk_on(np.repeat(np.arange(18_000, 18_000 + len(lengths)), lengths), draw(st.integers(0, 2**16)))


def after_calm(bars: list[Bar], **changes: Any) -> tuple[Series, TrainingSettings]:
    """Bars that move 1 % each up to a close of 100, then `bars` (open, high, low, close), which are the horizon."""
    close = np.where(np.arange(CALM_BARS) % 2 == 0, 100.0, 100.0 * np.exp(0.01))
    shape = np.concatenate([np.column_stack([close] * 4), np.array(bars)])
    prices = dict(zip(("open", "high", "low", "close"), shape.T.copy(), strict=True))
    settings = training_settings(**{"label": "triple-barrier", "horizon_bars": len(bars)} | changes)
    return replace(daily_walk(len(shape)), **prices), settings


def last_of(labels: Labels) -> dict[str, Any]:
    """Plain values of the last label."""
    return {field.name: getattr(labels, field.name)[-1].item() for field in fields(Labels)}


def same_bits(left: Labels, right: Labels, of_left: slice | Any, of_right: slice | Any) -> bool:
    """Whether the selected rows of both are the same to the last bit."""
    columns = [(getattr(left, field.name)[of_left], getattr(right, field.name)[of_right]) for field in fields(Labels)]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in columns)


# A quiet bar at the entry, and barriers at 102 and 98: sigma is 1 % per bar, and the horizon of four bars doubles it.
QUIET: Bar = (100.0, 100.5, 99.5, 100.0)


@pytest.mark.parametrize(
    ("bars", "barrier", "end", "earned", "y", "tie"),
    [
        pytest.param([QUIET, QUIET, QUIET, (100, 101.5, 99, 101)], HORIZON, 4, 0.01, 1, False, id="neither"),
        pytest.param([QUIET, QUIET, QUIET, (100, 101.5, 98.5, 99)], HORIZON, 4, -0.01, 0, False, id="neither, a loss"),
        pytest.param([QUIET, (100, 102.5, 99, 99), QUIET, QUIET], UPPER, 2, 0.02, 1, False, id="upper"),
        pytest.param([QUIET, (100, 101, 97.5, 101), QUIET, QUIET], LOWER, 2, -0.02, 0, False, id="lower"),
        pytest.param([QUIET, QUIET, QUIET, (100, 102.5, 99, 99)], UPPER, 4, 0.02, 1, False, id="upper at the last"),
        pytest.param([(100, 102.5, 99, 99), QUIET, QUIET, QUIET], UPPER, 1, 0.02, 1, False, id="upper at the entry"),
        pytest.param([QUIET, (100, 103, 97, 103), QUIET, QUIET], LOWER, 2, -0.02, 0, True, id="both in one bar"),
        pytest.param([(100, 103, 97, 103), QUIET, QUIET, QUIET], LOWER, 1, -0.02, 0, True, id="both at the entry"),
        pytest.param([QUIET, (104, 105, 97, 97), QUIET, QUIET], UPPER, 2, 0.04, 1, False, id="open above, then both"),
        pytest.param([QUIET, (95, 103, 94, 103), QUIET, QUIET], LOWER, 2, -0.05, 0, False, id="open below, then both"),
        pytest.param([QUIET, (100, 103, 99, 99), (95, 96, 94, 95), QUIET], UPPER, 2, 0.02, 1, False, id="first wins"),
    ],
)  # fmt: skip
def test_the_first_of_three_barriers_ends_a_trade(
    bars: list[Bar], barrier: Barrier, end: int, earned: float, y: int, tie: bool
) -> None:
    """First barrier met ends a trade: at the open where that is beyond it, else at the barrier, the lower one first."""
    t = CALM_BARS - 1
    got = last_of(label(*after_calm(bars)))
    assert (got["t0"], got["entry"], got["t1"]) == (t, t + 1, t + end)
    assert (got["barrier"], got["y"], got["tie"]) == (barrier, y, tie)
    assert got["sigma"] == pytest.approx(0.01)
    assert got["forward_return"] == pytest.approx(earned)
    assert got["net_return"] == pytest.approx(earned - 0.0034)


def test_entered_at_the_close_the_next_open_can_end_a_trade() -> None:
    """A trade entered at the close is filled at the next open if that is beyond a barrier; entered there, it begins."""
    bars = [(104.0, 104.5, 103.5, 104.0), QUIET]
    at_close = last_of(label(*after_calm(bars, entry="close")))
    assert (at_close["entry"], at_close["t1"], at_close["barrier"]) == (CALM_BARS - 1, CALM_BARS, UPPER)
    assert at_close["forward_return"] == pytest.approx(0.04)
    at_open = last_of(label(*after_calm(bars, entry="next-open")))
    assert (at_open["entry"], at_open["t1"], at_open["barrier"]) == (CALM_BARS, CALM_BARS + 1, LOWER)
    assert at_open["forward_return"] == pytest.approx(100 / 104 - 1)


@pytest.mark.parametrize(("column", "side", "barrier"), [("high", 1.0, UPPER), ("low", -1.0, LOWER)])
def test_a_barrier_is_met_where_it_is_touched(column: str, side: float, barrier: Barrier) -> None:
    """A bar that reaches a barrier exactly meets it; one that stops just before does not."""
    series, settings = after_calm([QUIET, QUIET, QUIET, QUIET])
    sigma = last_of(label(series, settings))["sigma"]
    touched = getattr(series, column).copy()
    touched[-1] = 100.0 * (1.0 + side * sigma * 2.0)
    assert last_of(label(replace(series, **{column: touched}), settings))["barrier"] == barrier
    touched[-1] = np.nextafter(touched[-1], 100.0)
    assert last_of(label(replace(series, **{column: touched}), settings))["barrier"] == HORIZON


def test_an_open_at_the_upper_barrier_comes_before_the_bars_low() -> None:
    """A bar that opens exactly at the upper barrier and then falls below the lower one met the upper one alone."""
    series, settings = after_calm([QUIET, QUIET, QUIET, (102.0, 103.0, 97.0, 97.0)])
    sigma = last_of(label(series, settings))["sigma"]
    opening = series.open.copy()
    opening[-1] = 100.0 * (1.0 + sigma * 2.0)
    got = last_of(label(replace(series, open=opening), settings))
    assert (got["barrier"], got["tie"]) == (UPPER, False)


def test_a_stop_below_nothing_is_never_met() -> None:
    """A lower barrier that would lie at or below a price of 0 ends no trade."""
    crash = (1.0, 1.0, 1e-9, 1e-9)
    got = last_of(label(*after_calm([QUIET, crash], stop_loss=100.0)))
    assert (got["barrier"], got["t1"], got["y"]) == (HORIZON, CALM_BARS + 1, 0)


def test_a_met_upper_barrier_is_judged_by_its_return_alone() -> None:
    """Upper barrier met: 1 if the trade earned anything, costs included where they count, whatever the threshold."""
    bars = [QUIET, (100.0, 103.0, 99.5, 100.0), QUIET, QUIET]
    for label_return, cost_bps, y in (("gross", 24.0, 1), ("gross", 300.0, 1), ("net", 24.0, 1), ("net", 300.0, 0)):
        changes = {"label_return": label_return, "cost_bps": cost_bps, "threshold": 0.5}
        got = last_of(label(*after_calm(bars, **changes)))
        assert (got["barrier"], got["y"]) == (UPPER, y), changes


def test_a_stopped_trade_is_never_a_1() -> None:
    """Lower barrier met: 0, even where the loss is above a negative threshold; without the barrier it is 1."""
    bars = [QUIET, (100.0, 101.0, 97.5, 98.0), QUIET, (98.0, 99.0, 97.5, 98.0)]
    assert last_of(label(*after_calm(bars, threshold=-0.05)))["y"] == 0
    assert last_of(label(*after_calm(bars, threshold=-0.05, label="fixed")))["y"] == 1


@pytest.mark.parametrize(("threshold", "y"), [(0.49, 1), (0.51, 0)])
def test_a_threshold_in_sigma_scales_with_the_root_of_the_horizon(threshold: float, y: int) -> None:
    """At 1 % per bar and four bars, a return of 1 % is half of the expected move."""
    bars = [QUIET, QUIET, QUIET, (100.0, 101.0, 99.5, 101.0)]
    got = last_of(label(*after_calm(bars, label="fixed", threshold=threshold, threshold_unit="sigma")))
    assert (got["forward_return"], got["y"]) == (pytest.approx(0.01), y)


@examples(60)
@given(bars=st.integers(1, 120), horizon=st.integers(1, 30), threshold=st.floats(-0.1, 0.1))
def test_enters_at_the_next_open_and_leaves_at_the_close(bars: int, horizon: int, threshold: float) -> None:
    """A label's return runs from the open after its decision to the close `horizon` bars after its decision."""
    series = daily_walk(bars, seed=bars)
    labels = label(series, training_settings(horizon_bars=horizon, threshold=threshold))
    for row, t in enumerate(labels.t0):
        earned = series.close[t + horizon] / series.open[t + 1] - 1.0
        assert (labels.entry[row], labels.t1[row]) == (t + 1, t + horizon)
        assert labels.forward_return[row] == pytest.approx(earned, rel=1e-12)
        assert labels.y[row] == (labels.forward_return[row] > threshold)


@examples(60)
@given(bars=st.integers(1, 60), horizon=st.integers(1, 70), cross_session=st.booleans())
def test_last_bars_have_no_label(bars: int, horizon: int, cross_session: bool) -> None:
    """Every bar with `horizon` bars after it is labelled once; the last `horizon`, whose end is unknown, are not."""
    labels = label(daily_walk(bars), training_settings(horizon_bars=horizon, cross_session=cross_session))
    assert labels.t0.tolist() == list(range(max(bars - horizon, 0)))
    assert {len(getattr(labels, field.name)) for field in fields(Labels)} == {len(labels)}


@pytest.mark.parametrize("kind", ["fixed", "triple-barrier"])
def test_a_trade_that_ended_early_is_labelled_only_once_its_horizon_is_known(kind: str) -> None:
    """Near the end of the history no label exists just because a barrier was met soon."""
    settings = training_settings(label=kind, horizon_bars=20, take_profit=0.1, stop_loss=0.1)
    labels = label(daily_walk(200), settings)
    assert labels.t0[-1] == 179
    assert kind == "fixed" or labels.t1.max() < 199


@pytest.mark.parametrize("kind", ["fixed", "triple-barrier"])
def test_an_intraday_label_ends_within_its_session(kind: str) -> None:
    """Of eight bars per session, those with three after them are labelled; across sessions, all but the last three."""
    series = intraday_walk(sessions=12, bars_per_session=8)
    changes = {"interval": "30minute", "label": kind, "horizon_bars": 3}
    within = label(series, training_settings(**changes))
    warm = 19 if kind == "triple-barrier" else 0
    assert within.t0.tolist() == [t for t in range(warm, 96) if t % 8 < 5]
    assert (within.t1 // 8 == within.t0 // 8).all()
    across = label(series, training_settings(**changes, cross_session=True))
    assert across.t0.tolist() == list(range(20 if warm else 0, 93))


@pytest.mark.parametrize("kind", ["fixed", "triple-barrier"])
@pytest.mark.parametrize("unit", ["return", "sigma"])
def test_a_flat_price_has_no_label_that_volatility_measures(kind: str, unit: str) -> None:
    """Without volatility there are no barriers and no threshold in sigma; a threshold on the return works."""
    flat = replace(daily_walk(60), **{name: np.full(60, 100.0) for name in ("open", "high", "low", "close")})
    labels = label(flat, training_settings(label=kind, threshold_unit=unit))
    assert len(labels) == (55 if (kind, unit) == ("fixed", "return") else 0)
    assert not labels.y.any()


def test_a_return_at_the_threshold_is_not_above_it() -> None:
    """A label is 1 only where the return exceeds the threshold; equal is 0."""
    series = daily_walk(40)
    returns = label(series, training_settings(horizon_bars=3)).forward_return
    at_the_tenth = label(series, training_settings(horizon_bars=3, threshold=float(returns[10])))
    assert at_the_tenth.y[10] == 0
    assert at_the_tenth.y.sum() == (returns > returns[10]).sum()


@examples(300)
@given(series=walks(25, 120) | sessions_of_walks(), settings=label_settings())
def test_labels_are_those_that_one_trade_at_a_time_gives(series: Series, settings: TrainingSettings) -> None:
    """Whatever the bars and settings, the labels are those of trading bar by bar with the rules written out."""
    labels, expected = label(series, settings), traded_labels(series, settings)
    assert labels.t0.tolist() == [row["t0"] for row in expected]
    for i, row in enumerate(expected):
        for name, value in row.items():
            assert getattr(labels, name)[i] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), (name, i)


def test_random_walks_meet_every_way_to_end() -> None:
    """The random walks of the bar-by-bar comparison have every kind of end, ties and gap fills included."""
    series = daily_walk(400)
    seen = set()
    for take_profit, stop_loss in product([0.1, 0.5, 3.0], repeat=2):
        settings = training_settings(label="triple-barrier", take_profit=take_profit, stop_loss=stop_loss)
        labels = label(series, settings)
        at_open = labels.forward_return == series.open[labels.t1] / series.open[labels.entry] - 1.0
        seen |= set(zip(labels.barrier.tolist(), labels.tie.tolist(), at_open.tolist(), strict=True))
    ways = {(HORIZON, False, False), (UPPER, False, False), (UPPER, False, True)}
    assert seen == ways | {(LOWER, False, False), (LOWER, True, False), (LOWER, False, True)}


@examples(150)
@given(
    series=walks(30, 120) | sessions_of_walks(),
    settings=label_settings(),
    garbage=st.sampled_from(GARBAGE),
    data=st.data(),
)
def test_poisoned_future_leaves_ended_labels_alone(
    series: Series, settings: TrainingSettings, garbage: float, data: st.DataObject
) -> None:
    """A label that ended by t is the same, bit for bit, whatever the prices after t are."""
    t = data.draw(st.integers(20, len(series) - 1), label="t")
    later = np.arange(len(series)) > t
    poisoned = replace(series, **{name: np.where(later, garbage, getattr(series, name)) for name in COLUMNS})
    before, after = label(series, settings), label(poisoned, settings)
    assert same_bits(before, after, before.t1 <= t, after.t1 <= t)


@examples(60)
@given(series=walks(25, 120), settings=label_settings(), data=st.data())
def test_more_history_adds_labels_and_changes_none(
    series: Series, settings: TrainingSettings, data: st.DataObject
) -> None:
    """The labels of the first bars are, bit for bit, the first labels of all bars."""
    known = label(part(series, slice(0, data.draw(st.integers(1, len(series)), label="bars known"))), settings)
    assert same_bits(known, label(series, settings), slice(None), slice(len(known)))


@examples(40)
@given(series=walks(21, 120) | sessions_of_walks(), by_session=st.booleans())
def test_volatility_is_the_exponential_mean_of_squares(series: Series, by_session: bool) -> None:
    """Volatility starts as the plain mean of 20 squared returns, then moves 2/21 of the way to each new one."""
    assert volatility(series, by_session) == pytest.approx(
        counted_volatility(series, by_session), rel=1e-9, nan_ok=True
    )


def test_a_constant_move_is_its_own_volatility() -> None:
    """A price that moves 1 % per bar has a volatility of 1 %, first known after 20 returns."""
    sigma = volatility(after_calm([QUIET])[0], by_session=False)[:CALM_BARS]
    assert np.isnan(sigma[:20]).all()
    assert sigma[20:] == pytest.approx(np.full(CALM_BARS - 20, 0.01))


@pytest.mark.parametrize("by_session", [True, False])
def test_nights_count_for_nothing_within_sessions(by_session: bool) -> None:
    """By session, a price that doubles every night has the volatility of one that does not; otherwise it has not."""
    series = intraday_walk(sessions=20, bars_per_session=8)
    doubled = 2.0 ** (np.arange(len(series)) // 8)
    with_nights = replace(
        series, **{name: getattr(series, name) * doubled for name in ("open", "high", "low", "close")}
    )
    before, after = volatility(series, by_session), volatility(with_nights, by_session)
    assert (before[19:] == pytest.approx(after[19:], rel=1e-9, nan_ok=True)) is by_session


@examples(40)
@given(seed=st.integers(0, 2**16), tails=st.booleans(), begun=st.integers(1, 400), by_session=st.booleans())
def test_volatility_forgets_where_the_history_began(seed: int, tails: bool, begun: int, by_session: bool) -> None:
    """From `SIGMA_WARMUP_BARS` on, a history begun later gives the volatility of the whole one within 1e-4."""
    series = walk_on(np.repeat(np.arange(18_000, 18_100), 6), seed)
    if tails:
        heavy = 100.0 * np.exp(np.cumsum(0.01 * np.random.default_rng(seed).standard_t(3, len(series))))
        series = replace(series, close=heavy, open=series.open / series.close * heavy)
    whole, late = volatility(series, by_session), volatility(part(series, slice(begun, None)), by_session)
    settled = late[SIGMA_WARMUP_BARS:]
    assert settled == pytest.approx(whole[begun + SIGMA_WARMUP_BARS :], rel=1e-4)


def test_no_bars_have_no_labels() -> None:
    """An empty history gives empty labels, not an error."""
    for settings in (training_settings(), training_settings(interval="5minute", label="triple-barrier")):
        assert len(label(part(daily_walk(3), slice(0, 0)), settings)) == 0


def counted_volatility(series: Series, by_session: bool) -> list[float]:
    """Volatility bar by bar."""
    known: list[float] = []
    sigmas = []
    mean = float("nan")
    for t in range(len(series)):
        first_of_session = t == 0 or series.session[t] != series.session[t - 1]
        if by_session and first_of_session:
            known.append(log(series.close[t] / series.open[t]) ** 2)
        elif t > 0:
            known.append(log(series.close[t] / series.close[t - 1]) ** 2)
        if len(known) == 20:
            mean = sum(known) / 20
        elif len(known) > 20:
            mean += 2 / 21 * (known[-1] - mean)
        sigmas.append(sqrt(mean))
    return sigmas


def traded_labels(series: Series, settings: TrainingSettings) -> list[dict[str, float]]:
    """Labels computed by trading each bar by itself, bar by bar."""
    horizon = settings.horizon_bars
    one_session = settings.interval != "1day" and not settings.cross_session
    sigmas = counted_volatility(series, one_session)
    rows = []
    for t in range(len(series) - horizon):
        end, sigma = t + horizon, sigmas[t]
        if one_session and series.session[t] != series.session[end]:
            continue
        needs_sigma = settings.label == "triple-barrier" or settings.threshold_unit == "sigma"
        if needs_sigma and not (isfinite(sigma) and sigma > 0):
            continue
        entry = t + 1 if settings.entry == "next-open" else t
        price = series.open[entry] if settings.entry == "next-open" else series.close[entry]
        t1, exit_price, barrier, tie = end, series.close[end], HORIZON, False
        if settings.label == "triple-barrier":
            upper = price * (1 + settings.take_profit * sigma * sqrt(horizon))
            lower = price * (1 - settings.stop_loss * sigma * sqrt(horizon))
            for bar in range(t + 1, end + 1):
                ended = how_it_ends(series, bar, upper, lower, already_in=bar > entry)
                if ended:
                    t1, (exit_price, barrier, tie) = bar, ended
                    break
        gross = exit_price / price - 1
        net = gross - (settings.cost_bps + 2 * settings.slippage_bps) / 10_000
        earned = net if settings.label_return == "net" else gross
        theta = settings.threshold * (sigma * sqrt(horizon) if settings.threshold_unit == "sigma" else 1)
        y = earned > 0 if barrier == UPPER else barrier == HORIZON and earned > theta
        rows.append(
            {"t0": t, "entry": entry, "t1": t1, "forward_return": gross, "net_return": net, "sigma": sigma}
            | {"y": int(y), "barrier": int(barrier), "tie": int(tie)}
        )
    return rows


def how_it_ends(
    series: Series, bar: int, upper: float, lower: float, already_in: bool
) -> tuple[float, Barrier, bool] | None:
    """Price, barrier and tie where a bar ends a trade; its open counts only for trades entered before it."""
    if already_in and series.open[bar] <= lower:
        return series.open[bar], LOWER, False
    if already_in and series.open[bar] >= upper:
        return series.open[bar], UPPER, False
    if series.low[bar] <= lower:
        return lower, LOWER, bool(series.high[bar] >= upper)
    return (upper, UPPER, False) if series.high[bar] >= upper else None
