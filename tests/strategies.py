"""Generated inputs that several tests share: bars, settings, label spans, and a quiet Hypothesis."""

import json
import os
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from schemas.config.model_kinds import KINDS, ModelRole
from schemas.config.target import Target
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Serving
from workers.bars.calendar import day_number
from workers.bars.series import Ints, Series
from workers.models.base import Recipe

MICROSECONDS_PER_DAY = 24 * 3600 * 10**6
FIRST_DAY = date(2020, 10, 1)


# Set by `make check`: fewer examples and smaller worlds, for the same promises.
QUICK = "QUICK_TESTS" in os.environ


def examples(count: int) -> settings:
    """`count` examples, a quarter of them in `make check`; the same ones on every machine, however long each takes."""
    return settings(max_examples=max(count // 4, 2) if QUICK else count, deadline=None, derandomize=True)


def weekdays(first: date, count: int) -> list[date]:
    """The first `count` Mondays to Fridays from `first` on."""
    days = (first + timedelta(days=i) for i in range(count * 7 // 5 + 7))
    return [day for day in days if day.weekday() < 5][:count]


def walk_on(sessions: Ints, seed: int, drift: float = 0.0) -> Series:
    """A random walk with one bar for each entry of `sessions` (days since 1970, in order)."""
    rng = np.random.default_rng(seed)
    bars = len(sessions)
    close = 100.0 * np.exp(np.cumsum(rng.normal(drift, 0.02, bars)))
    opening = close * np.exp(rng.normal(0.0, 0.005, bars))
    high = np.maximum(opening, close) * (1.0 + rng.uniform(0.0, 0.01, bars))
    low = np.minimum(opening, close) * (1.0 - rng.uniform(0.0, 0.01, bars))
    volume = np.floor(np.exp(rng.normal(11.0, 0.6, bars)))
    timestamp = sessions * MICROSECONDS_PER_DAY + np.arange(bars)
    return Series(timestamp, sessions, opening, high, low, close, volume)


def daily_walk(bars: int, seed: int = 0, first: date = FIRST_DAY, drift: float = 0.0) -> Series:
    """A random walk of daily bars on weekdays from `first` on."""
    return walk_on(np.array([day_number(day) for day in weekdays(first, bars)], dtype=np.int64), seed, drift)


def intraday_walk(sessions: int, bars_per_session: int, seed: int = 0) -> Series:
    """A random walk of several bars per weekday."""
    days = np.array([day_number(day) for day in weekdays(FIRST_DAY, sessions)], dtype=np.int64)
    return walk_on(np.repeat(days, bars_per_session), seed)


def part(series: Series, rows: slice) -> Series:
    """The bars of `series` that `rows` selects."""
    return Series(**{field.name: getattr(series, field.name)[rows] for field in fields(Series)})


def serving(symbol: str = "A", offset: float = 0.0, trade_above: float | None = None) -> Serving:
    """What a student without a teacher stores for one symbol beside its model."""
    return Serving(
        offsets={symbol: offset},
        panel_offset=offset,
        trade_above={symbol: trade_above},
        panel_trade_above=trade_above,
        teacher_factor=0.0,
    )


def recipe(
    kind: str, role: ModelRole = "student", seed: int = 0, target: Target | None = None, **changes: Any
) -> Recipe:
    """How a kind of model is fitted, with `changes` of its parameters; if omitted for the first of its targets."""
    parameters = KINDS[kind].parameters(role)
    assert parameters is not None
    return Recipe(parameters(**changes), seed, target=target or KINDS[kind].targets[0])


def training_settings(**changes: Any) -> TrainingSettings:
    """Settings of a daily run, with `changes`."""
    values: dict[str, Any] = {
        "interval": "1day",
        "label": "fixed",
        "horizon_bars": 5,
        "threshold": 0.0,
        "threshold_unit": "return",
        "take_profit": 1.0,
        "stop_loss": 1.0,
        "entry": "next-open",
        "label_return": "gross",
        "cross_session": False,
        "embargo_bars": 1,
        "min_rows": 40,
        "lookback": "expanding",
        "scope": "symbol",
        "student_scope": None,
        "privileged": (),
        "student": "logistic",
        "distill_weight": 0.5,
        "reward_weights": False,
        "cost_bps": 24.0,
        "slippage_bps": 5.0,
        "seed": 42,
    }
    return TrainingSettings(**values | changes)


@st.composite
def walks(draw: st.DrawFn, min_bars: int, max_bars: int) -> Series:
    """Daily random walks, or intraday ones of three bars per session."""
    bars, seed = draw(st.integers(min_bars, max_bars)), draw(st.integers(0, 2**16))
    if draw(st.booleans()):
        return daily_walk(bars, seed)
    return part(intraday_walk(bars // 3 + 1, 3, seed), slice(0, bars))


@st.composite
def label_spans(draw: st.DrawFn, min_rows: int = 20, max_rows: int = 90) -> tuple[Ints, Ints]:
    """Decision bars in order, possibly with gaps, and each label's end: one horizon for all, or one per label."""
    rows, widest_gap, horizon = draw(st.tuples(st.integers(min_rows, max_rows), st.integers(1, 4), st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    t0 = np.cumsum(rng.integers(1, widest_gap + 1, rows))
    return t0, t0 + (horizon if draw(st.booleans()) else rng.integers(1, horizon + 1, rows))


def stacked(series: Sequence[Series]) -> Series:
    """Several symbols of equal length as one, each array of shape (symbols, bars)."""
    return Series(*(np.stack([getattr(each, field.name) for each in series]) for field in fields(Series)))


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
# What anyone may write to a broker: any bytes, and any JSON.
junk = st.binary(max_size=300) | _json.map(json.dumps).map(str.encode)
