# mypy: ignore-errors
"""Labels that read side data or all symbols, as people write them: 10 read beyond their end, and 10 do not."""

import numpy as np

import gurukul as gk


def leaking(horizon, **declared):
    """Register a label that must be refused."""
    return lambda function: gk.label(horizon=horizon, name=f"leaking_{function.__name__}", **declared)(function)


def honest(horizon, **declared):
    """Register a label that must be accepted."""
    return lambda function: gk.label(horizon=horizon, name=f"honest_{function.__name__}", **declared)(function)


def forward(values, horizon):
    """Simple return over the horizon, of each column of a panel."""
    return values.shift(-horizon) / values - 1


@leaking(5, side="index")
def index_beyond_the_horizon(bars, side):
    return forward(bars["close"], 5) > forward(side["index"]["close"], 6)


@leaking(5, side="flows")
def mean_of_all_flows(bars, side):
    return (forward(bars["close"], 5) > 0) & (side["flows"]["net"].shift(-5) > side["flows"]["net"].mean())


@leaking(5, side=["index", "earnings"])
def next_report(bars, side):
    """the earnings that are reported next, whenever that is"""
    eps = side["earnings"]["eps"]
    return eps.where(eps.diff() != 0).shift(-1).bfill() > eps + 0 * side["index"]["close"]


@leaking(5, side="index", target="value")
def residual_of_whole_sample(bars, side):
    mine, market = forward(bars["close"], 5), forward(side["index"]["close"], 5)
    return mine - mine.cov(market) / market.var() * market


@leaking(5, panel=True)
def others_one_bar_longer(bars):
    return forward(bars["close"], 5).gt(forward(bars["close"], 6).mean(axis=1), axis=0)


@leaking(5, panel=True)
def quantile_of_all_symbols(bars):
    moved = forward(bars["close"], 5)
    return (moved > moved.stack().quantile(0.6)).where(moved.notna())


@leaking(4, panel=True)
def touch_known_too_early(bars):
    value, held = first_relative_touch(bars, 4)
    return value, (held - 2).clip(lower=1)


@leaking(5, panel=True, target="value")
def beyond_rotation_to_come(bars):
    """each return beside that of the symbol that is best by the end of the month"""
    moved = forward(bars["close"], 5)
    month = np.asarray(bars.index.year * 12 + bars.index.month)
    return moved.sub(bars["close"].groupby(month).transform("last").div(bars["close"]).max(axis=1), axis=0)


@leaking(5, panel=True)
def leader_one_bar_longer(bars):
    return forward(bars["close"], 5).gt(forward(bars["close"]["A"], 6), axis=0)


@leaking(5, panel=True, side="index")
def ranked_by_later_index(bars, side):
    moved = forward(bars["close"], 5).sub(forward(side["index"]["close"].shift(-2), 5), axis=0)
    return moved > 0


@honest(10, side="index")
def beats_index(bars, side):
    index = side["index"]["close"]
    return forward(bars["close"], 10) > forward(index, 10)


@honest(10, side="index")
def first_beside_index(bars, side):
    """up if the symbol leads the index by 3 % before it lags by as much"""
    value, held = np.zeros(len(bars)), np.full(len(bars), 10)
    for step in range(10, 0, -1):
        lead = forward(bars["close"], step) - forward(side["index"]["close"], step)
        touched = lead.abs() > 0.03
        value[touched], held[touched] = lead[touched] > 0, step
    return value, held


@honest(20, side="earnings")
def earnings_rise(bars, side):
    """reports by the end are better than those of the decision, in which no symbol has no news"""
    eps = side["earnings"]["eps"]
    later = eps.shift(-20)
    return (later > eps).where(later.notna() & eps.notna())


@honest(5, side=["index", "flows"], target="value")
def excess_where_flows_are_known(bars, side):
    excess = np.log1p(forward(bars["close"], 5)) - np.log1p(forward(side["index"]["close"], 5))
    return excess.where(side["flows"]["net"].notna())


@honest(5, panel=True)
def above_the_mean(bars):
    moved = forward(bars["close"], 5)
    return moved.gt(moved.mean(axis=1), axis=0).where(moved.notna())


@honest(5, panel=True)
def beats_the_leader(bars):
    return (
        forward(bars["close"], 5)
        .gt(forward(bars["close"]["A"], 5), axis=0)
        .drop(columns="A")
        .reindex(columns=bars["close"].columns)
    )


@honest(5, panel=True)
def upper_third(bars):
    ranks = forward(bars["close"], 5).rank(axis=1, pct=True)
    return (ranks > 2 / 3).where(ranks.notna())


@honest(5, panel=True, target="value")
def less_the_median(bars):
    moved = np.log(bars["close"]).shift(-5) - np.log(bars["close"])
    return moved.sub(moved.median(axis=1), axis=0)


def first_relative_touch(bars, horizon):
    """Value and rows held of the first close that is 3 % away from the mean symbol's."""
    value, held = bars["close"] * 0, bars["close"] * 0 + horizon
    for step in range(horizon, 0, -1):
        moved = forward(bars["close"], step)
        lead = moved.sub(moved.mean(axis=1), axis=0)
        touched = lead.abs() > 0.03
        value, held = value.mask(touched, (lead > 0).astype(float)), held.mask(touched, step)
    return value, held


@honest(4, panel=True)
def relative_touch(bars):
    return first_relative_touch(bars, 4)


@honest(10, panel=True, side=["index", "earnings"])
def cheap_ones_beat_the_index(bars, side):
    moved = forward(bars["close"], 10)
    cheap = (side["earnings"]["eps"] / bars["close"]).rank(axis=1, pct=True)
    return moved.gt(forward(side["index"]["close"], 10), axis=0).where((cheap > 0.5) & moved.notna())
