# mypy: ignore-errors
"""Labels as people write them: 10 that read bars after their end, and 10 that do not."""

import numpy as np
import pandas as pd

import gurukul as gk


def leaking(horizon):
    """Register a label that must be refused."""
    return lambda function: gk.label(horizon=horizon, name=f"leaking_{function.__name__}")(function)


def honest(horizon):
    """Register a label that must be accepted."""
    return lambda function: gk.label(horizon=horizon, name=f"honest_{function.__name__}")(function)


def forward(bars, horizon):
    return bars["close"].shift(-horizon) / bars["close"] - 1


@leaking(5)
def longer_than_declared(bars):
    return forward(bars, 10) > 0.01


@leaking(5)
def centred_high(bars):
    return bars["high"].rolling(21, center=True).max() == bars["high"]


@leaking(5)
def whole_quantile(bars):
    moved = forward(bars, 5)
    return moved > moved.quantile(0.6)


@leaking(5)
def backfilled_event(bars):
    moved = forward(bars, 5)
    return (moved > 0).astype(float).where(moved.abs() > 0.04).bfill()


@leaking(5)
def whole_z_score(bars):
    moved = forward(bars, 5)
    return (moved - moved.mean()) / moved.std() > 0.3


@leaking(5)
def open_after_the_end(bars):
    return bars["open"].shift(-6) / bars["open"].shift(-1) - 1 > 0


@leaking(2)
def weeks_close(bars):
    weekly = bars["close"].resample("W-FRI").last()
    return weekly.reindex(bars.index, method="bfill") > bars["close"]


@leaking(5)
def volatility_to_come(bars):
    spread = bars["close"].pct_change().rolling(20).std().shift(-20)
    return forward(bars, 5) > spread


@leaking(10)
def barrier_known_too_early(bars):
    value, held = first_touch(bars, 10, 0.03)
    return value, np.maximum(held - 2, 1)


@leaking(5)
def quintiles_of_all(bars):
    return pd.qcut(forward(bars, 5), 5, labels=False) == 4


@honest(5)
def above_threshold(bars):
    return forward(bars, 5) > 0.01


@honest(6)
def next_open_to_open(bars):
    return bars["open"].shift(-6) / bars["open"].shift(-1) - 1 > 0


@honest(5)
def past_volatility(bars):
    return forward(bars, 5) > bars["close"].pct_change().rolling(20).std() * 5**0.5 * 0.5


@honest(5)
def clear_moves(bars):
    moved = forward(bars, 5)
    return (moved > 0).astype(float).where(moved.abs() > 0.01)


@honest(5)
def above_earlier_quantile(bars):
    moved = bars["close"].pct_change(5)
    return forward(bars, 5) > moved.expanding(60).quantile(0.6)


def first_touch(bars, horizon, width):
    """Value and bars held of the first close `width` away."""
    value, held = np.zeros(len(bars)), np.full(len(bars), horizon)
    for step in range(horizon, 0, -1):
        moved = forward(bars, step).to_numpy()
        touched = np.abs(moved) > width
        value[touched], held[touched] = moved[touched] > 0, step
    return value, held


@honest(10)
def barrier(bars):
    return first_touch(bars, 10, 0.03)


@honest(10)
def no_drawdown(bars):
    worst = bars["low"][::-1].rolling(10).min()[::-1].shift(-1)
    return worst / bars["close"] - 1 > -0.02


@honest(10)
def trend(bars):
    """slope of the next ten closes"""
    return sum((step - 5.5) * bars["close"].shift(-step) for step in range(1, 11)) > 0


@honest(5)
def reversal_of_the_side(bars):
    side = np.sign(bars["close"].rolling(20).mean() - bars["close"])
    return side * forward(bars, 5) > 0.005


@honest(5)
def weeks_close_in_time(bars):
    weekly = bars["close"].groupby(bars.index.to_period("W-FRI").astype(str)).transform("last")
    return weekly > bars["close"]
