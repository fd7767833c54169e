"""Privileged inputs of a teacher, compared with plain loops; no student gets them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import daily_walk, examples, training_settings, walks
from workers.bars.series import Series
from workers.features.registry import feature_names
from workers.learning.history import prepare
from workers.learning.labels import label
from workers.learning.privileged import CROSS_SECTION_NAMES, PATH_NAMES, cross_section, path
from workers.learning.window import teacher_features, teacher_inputs


@pytest.mark.parametrize("entry", ["next-open", "close"])
@examples(25)
@given(series=walks(40, 90), horizon=st.integers(1, 8))
def test_the_path_is_that_of_the_horizon(entry: str, series: Series, horizon: int) -> None:
    """Extremes, their times and the volatility between entry and horizon, computed bar by bar."""
    settings = training_settings(horizon_bars=horizon, entry=entry)
    labels = label(series, settings)
    found = path(series, labels, horizon)
    assert found.shape == (len(labels), len(PATH_NAMES))
    for row in range(0, len(labels), 7):
        t = int(labels.t0[row])
        price = series.open[t + 1] if entry == "next-open" else series.close[t]
        steps = range(t + 1, t + horizon + 1)
        unit = labels.sigma[row] * horizon**0.5
        if not np.isfinite(unit):
            assert np.isnan(found[row, :2]).all()
            continue
        highs, lows = [series.high[i] / price - 1 for i in steps], [series.low[i] / price - 1 for i in steps]
        returns = [np.log(series.close[i] / series.close[i - 1]) for i in steps]
        expected = [
            max(highs) / unit, min(lows) / unit, (highs.index(max(highs)) + 1) / horizon,
            (lows.index(min(lows)) + 1) / horizon, float(np.std(returns)) / labels.sigma[row],
        ]  # fmt: skip
        assert found[row] == pytest.approx(expected, rel=1e-9)


@examples(40)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_the_cross_section_is_of_the_symbols_that_traded(lengths: list[int], seed: int) -> None:
    """Mean, residual and spread over the symbols that have a return on that bar; a symbol alone is its own market."""
    rng = np.random.default_rng(seed)
    instants = [np.sort(rng.choice(40, length, replace=False)) for length in lengths]
    returns = [np.where(rng.random(length) < 0.1, np.nan, rng.normal(0, 0.02, length)) for length in lengths]
    found = cross_section(instants, returns)
    for mine, own, columns in zip(instants, returns, found, strict=True):
        assert columns.shape == (len(mine), len(CROSS_SECTION_NAMES))
        for position, instant in enumerate(mine):
            there = [
                float(values[times == instant][0])
                for times, values in zip(instants, returns, strict=True)
                if (times == instant).any() and np.isfinite(values[times == instant][0])
            ]
            if not there:
                assert np.isnan(columns[position]).all()
                continue
            expected = [np.mean(there), own[position] - np.mean(there), np.std(there)]
            assert columns[position] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_a_teacher_sees_more_only_if_it_may() -> None:
    """Without privileges its inputs are the student's features; with them, those come first and unchanged."""
    plain = training_settings(scope="panel")
    both = training_settings(scope="panel", privileged=("cross-section", "path"))
    series = {"A": daily_walk(300), "B": daily_walk(300, seed=1)}
    rows = {"A": np.arange(160, 200), "B": np.arange(170, 190)}
    bare = teacher_inputs({s: prepare(x, plain) for s, x in series.items()}, plain)
    full = teacher_inputs({s: prepare(x, both) for s, x in series.items()}, both)
    assert teacher_features(plain) == feature_names()
    assert teacher_features(both) == feature_names() + PATH_NAMES + CROSS_SECTION_NAMES
    for symbol, row in rows.items():
        less, more = bare(symbol, row), full(symbol, row)
        assert less.shape == (len(row), len(feature_names()))
        assert more.shape == (len(row), len(teacher_features(both)))
        assert more[:, : len(feature_names())].tobytes() == less.tobytes()
