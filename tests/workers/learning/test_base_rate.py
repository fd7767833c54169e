"""The strong base rate: causal, weighted by uniqueness, drawn to the panel's; compared with a count by hand."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.target import CLASS
from schemas.contract.artifact import LabelCount
from tests.strategies import daily_walk, examples, training_settings
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Series
from workers.learning.base_rate import base_rates, historical_means, offsets_of
from workers.learning.history import times_of

END = date(2022, 3, 1)


def counted(series: Series, horizon: int, embargo: int, threshold: float) -> LabelCount:
    """Weights of positive and of all labels that ended before END, bar by bar in plain Python."""
    opens, closes, days = (each.tolist() for each in (series.open, series.close, series.session))
    before = sum(day < day_number(END) for day in days)
    spans = [t for t in range(len(days) - horizon) if t + horizon + embargo < before]
    alive = [0] * len(days)
    for t in spans:
        for bar in range(t + 1, t + horizon + 1):
            alive[bar] += 1
    positives = total = 0.0
    for t in spans:
        weight = sum(1 / alive[bar] for bar in range(t + 1, t + horizon + 1)) / horizon
        total += weight
        positives += weight * (closes[t + horizon] / opens[t + 1] - 1 > threshold)
    return LabelCount(positives, total)


@pytest.mark.parametrize(("horizon", "embargo", "threshold"), [(5, 1, 0.0), (1, 0, 0.01), (12, 7, -0.02)])
def test_the_count_is_that_of_brute_force(horizon: int, embargo: int, threshold: float) -> None:
    """Every label whose horizon ended an embargo before the window counts once, by its uniqueness; no other does."""
    series = daily_walk(520)
    settings = training_settings(horizon_bars=horizon, embargo_bars=embargo, threshold=threshold)
    expected = counted(series, horizon, embargo, threshold)
    assert times_of(series, settings).count(END) == pytest.approx(expected)


def test_bars_after_the_end_change_no_count() -> None:
    """Prices from the window's end on are unknown: overwriting them changes no bit."""
    series, settings = daily_walk(520), training_settings(label="triple-barrier", keep_jumps=True)
    later = series.session >= day_number(END)
    prices = {name: np.where(later, 7.0, getattr(series, name)) for name in ("open", "high", "low", "close")}
    moved = Series(series.timestamp, series.session, **prices, volume=series.volume)
    assert times_of(moved, settings).count(END) == times_of(series, settings).count(END)


def test_shares_are_drawn_as_far_as_they_do_not_differ() -> None:
    """Symbols of one true share are drawn nearly together, symbols of very different ones keep their own."""
    rng = np.random.default_rng(0)
    total = np.full(36, 100.0)
    same = rng.binomial(100, 0.3, 36).astype(float)
    shares, panel = base_rates(same, total)
    assert panel == pytest.approx(same.sum() / 3600)
    assert np.std(shares) < 0.4 * np.std(same / 100)
    apart = rng.binomial(100, np.repeat([0.1, 0.5, 0.9], 12)).astype(float)
    assert base_rates(apart, total)[0] == pytest.approx(apart / 100, abs=0.02)


def test_the_draw_is_dersimonians_and_lairds() -> None:
    """Between-variance of three symbols by the textbook's formula, step by step."""
    positives, total = np.array([10.0, 30.0, 70.0]), np.array([50.0, 80.0, 120.0])
    pooled = 110 / 250
    w = total / (pooled * (1 - pooled))
    q = sum(w[i] * (positives[i] / total[i] - pooled) ** 2 for i in range(3))
    between = (q - 2) / (w.sum() - (w**2).sum() / w.sum())
    k = pooled * (1 - pooled) / between
    expected = [(positives[i] + k * pooled) / (total[i] + k) for i in range(3)]
    assert base_rates(positives, total)[0] == pytest.approx(expected)


counts = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.2, 1.0, 40.0, 500.0])), min_size=1, max_size=8)


@examples(100)
@given(pairs=counts)
def test_a_drawn_share_lies_between_its_own_and_the_panels(pairs: list[tuple[float, float]]) -> None:
    """Never outside; without labels it is the panel's, and 0.5 where no symbol has any."""
    total = np.array([many for _, many in pairs])
    positives = total * np.array([share for share, _ in pairs])
    shares, panel = base_rates(positives, total)
    if total.sum() == 0:
        assert shares.tolist() == [0.5] * len(pairs)
        return
    own: Floats = np.where(total > 0, positives / np.maximum(total, 1e-300), panel)
    assert (shares >= np.minimum(own, panel) - 1e-9).all() and (shares <= np.maximum(own, panel) + 1e-9).all()


def test_a_symbol_that_is_not_known_gets_the_panels() -> None:
    """A symbol without labels starts from the panel's base rate."""
    offsets, panel = offsets_of(np.array([[30.0, 50.0, 0.0], [100.0, 100.0, 0.0]]), CLASS)
    assert [offsets[2], panel] == pytest.approx([np.log(0.4 / 0.6)] * 2)


def test_historical_means_are_drawn_as_shares_are() -> None:
    """Labels of 0 and 1 as values have the shares as means; means that differ by chance are the pooled one."""
    positives, total = np.array([10.0, 60.0, 40.0]), np.full(3, 100.0)
    means, pooled = historical_means(positives, total, positives)
    shares, share = base_rates(positives, total)
    assert means == pytest.approx(shares) and pooled == pytest.approx(share)
    means, pooled = historical_means(np.array([0.1, -0.1]), np.array([20.0, 20.0]), np.array([0.2, 0.3]))
    assert means.tolist() == [pooled, pooled] == pytest.approx([0.0, 0.0])
    assert historical_means(*np.zeros((3, 2)))[0].tolist() == [0.0, 0.0]
