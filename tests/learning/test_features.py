"""Features: declared warm-up, no look ahead, no unit, no infinity."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.window import WARMUP_BARS
from tests.strategies import daily_walk, examples, part, walks
from workers.bars.series import COLUMNS, Floats, Series
from workers.learning.features import FEATURE_NAMES, FEATURES, RAW_INDICATORS, Feature, frame_of, model_features
from workers.learning.labels import fixed_horizon

GARBAGE = (float("nan"), float("inf"), -1.0, 0.0, 1e-3, 1e9)


def features_of(series: Series, intraday: bool = False) -> Floats:
    return model_features(frame_of(series, intraday))


def flat(bars: int, price: float, volume: float) -> Series:
    """Bars whose four prices are all `price`."""
    prices = np.full(bars, price)
    return replace(
        daily_walk(bars), open=prices, high=prices, low=prices, close=prices, volume=np.full(bars, float(volume))
    )


def columns_that_differ(left: Floats, right: Floats) -> list[str]:
    """Features whose columns are not the same to the last bit."""
    return [name for i, name in enumerate(FEATURE_NAMES) if left[:, i].tobytes() != right[:, i].tobytes()]


def test_no_feature_needs_more_warmup_than_the_plan_allows() -> None:
    """The planner's warm-up is the longest that any feature declares: no less, and no bar wasted."""
    assert max(feature.warmup_bars for feature in FEATURES) == WARMUP_BARS


def test_names_are_unique() -> None:
    """A feature's name says which column it is, so no two share one."""
    assert len(set(FEATURE_NAMES)) == len(FEATURES)
    assert len(set(RAW_INDICATORS)) == len(RAW_INDICATORS) == 15


@pytest.mark.parametrize("bars", [1, 2, 14, 151, 400])
def test_one_row_a_bar_and_one_column_a_feature(bars: int) -> None:
    """A history of any length from one bar on has a row of features for each bar."""
    assert features_of(daily_walk(bars)).shape == (bars, len(FEATURES))


@examples(20)
@given(seed=st.integers(0, 2**16))
def test_defined_after_its_warmup(seed: int) -> None:
    """A feature of bars that move and trade is defined from the bar that has its warm-up before it."""
    values = features_of(daily_walk(WARMUP_BARS + 60, seed))
    for column, feature in enumerate(FEATURES):
        assert np.isfinite(values[feature.warmup_bars :, column]).all(), feature.name


@pytest.mark.parametrize("feature", FEATURES, ids=FEATURE_NAMES)
def test_warmup_is_enough(feature: Feature) -> None:
    """A history begun `warmup_bars` before a bar gives the value of the whole history, within 1 % of its spread."""
    column = FEATURE_NAMES.index(feature.name)
    for seed in range(8):
        series = daily_walk(600, seed)
        whole = features_of(series)[:, column]
        for t in (200, 350, 599):
            begun_late = features_of(part(series, slice(t - feature.warmup_bars, t + 1)))[-1, column]
            assert begun_late == pytest.approx(whole[t], abs=0.01 * float(np.nanstd(whole)))


@pytest.mark.parametrize("intraday", [False, True])
@examples(60)
@given(series=walks(160, 420), data=st.data())
def test_a_value_never_depends_on_later_bars(intraday: bool, series: Series, data: st.DataObject) -> None:
    """Features of the bars up to t are, bit for bit, those that all bars give up to t."""
    bars = data.draw(st.integers(1, len(series)), label="bars known")
    known = features_of(part(series, slice(0, bars)), intraday)
    assert not columns_that_differ(known, features_of(series, intraday)[:bars])


@pytest.mark.parametrize("intraday", [False, True])
@examples(40)
@given(series=walks(160, 300), garbage=st.sampled_from(GARBAGE), data=st.data())
def test_poisoned_future_leaves_features_alone(
    intraday: bool, series: Series, garbage: float, data: st.DataObject
) -> None:
    """Overwriting every bar after t with garbage changes no feature up to t, not even its last bit."""
    t = data.draw(st.integers(0, len(series) - 2), label="t")
    poisoned = poison_after(series, t, garbage)
    before, after = features_of(series, intraday), features_of(poisoned, intraday)
    assert not columns_that_differ(before[: t + 1], after[: t + 1])


@examples(40)
@given(series=walks(20, 120), garbage=st.sampled_from(GARBAGE), horizon=st.integers(1, 9), data=st.data())
def test_poisoned_future_leaves_ended_labels_alone(
    series: Series, garbage: float, horizon: int, data: st.DataObject
) -> None:
    """A label that ended by t is the same, bit for bit, whatever the bars after t say."""
    t = data.draw(st.integers(0, len(series) - 2), label="t")
    before = fixed_horizon(series, horizon, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        after = fixed_horizon(poison_after(series, t, garbage), horizon, 0.0)
    ended = before.t1 <= t
    assert ended.sum() == max(t + 1 - horizon, 0)
    assert before.forward_return[ended].tobytes() == after.forward_return[ended].tobytes()
    assert before.y[ended].tobytes() == after.y[ended].tobytes()


def poison_after(series: Series, t: int, garbage: float) -> Series:
    """`series` with every price and volume after bar `t` replaced."""
    later = np.arange(len(series)) > t
    return replace(series, **{name: np.where(later, garbage, getattr(series, name)) for name in COLUMNS})


@pytest.mark.parametrize("factor", [2.0, 0.01, 83.0])
@pytest.mark.parametrize("intraday", [False, True])
@examples(15)
@given(series=walks(160, 400))
def test_no_feature_has_the_unit_of_a_price(intraday: bool, factor: float, series: Series) -> None:
    """Quoting every price in another currency leaves every feature as it is, to 1e-9."""
    dearer = replace(series, **{name: getattr(series, name) * factor for name in COLUMNS if name != "volume"})
    np.testing.assert_allclose(
        features_of(dearer, intraday), features_of(series, intraday), rtol=1e-9, atol=1e-9, equal_nan=True
    )


@pytest.mark.parametrize("intraday", [False, True])
@pytest.mark.parametrize("volume", [0.0, 777.0])
@pytest.mark.parametrize("price", [100.0, 0.1, 1234.55])
def test_flat_price_gives_no_infinity(price: float, volume: float, intraday: bool) -> None:
    """A price that never moves gives each feature a number or NaN, and NaN where it would divide by the movement."""
    values = features_of(flat(200, price, volume), intraday)[WARMUP_BARS:]
    assert not np.isinf(values).any()
    for name in ("macd_line_to_atr", "macd_histogram_to_atr"):
        assert np.isnan(values[:, FEATURE_NAMES.index(name)]).all()
    for name in ("return_1", "rsi_14", "adx_14", "range_to_close", "volatility_20", "atr_14_to_close"):
        assert (values[:, FEATURE_NAMES.index(name)] == 0.0).all(), name


def test_flat_price_has_no_place_between_its_bands() -> None:
    """Where both Bollinger bands are the price itself, its position between them is NaN."""
    values = features_of(flat(60, 100.0, 777.0))
    assert np.isnan(values[:, FEATURE_NAMES.index("bollinger_position")]).all()


@pytest.mark.parametrize("intraday", [False, True])
@examples(20)
@given(series=walks(160, 300))
def test_nothing_traded_gives_no_infinity(intraday: bool, series: Series) -> None:
    """Bars without volume leave the volume features NaN and every other one as defined as it was."""
    silent = features_of(replace(series, volume=np.zeros(len(series))), intraday)[WARMUP_BARS:]
    for column, name in enumerate(FEATURE_NAMES):
        expected = np.isnan if name in ("obv_slope_20", "volume_z_20") else np.isfinite
        assert expected(silent[:, column]).all(), name


@pytest.mark.parametrize("price", [0.1, 33.3, 100.1, 1234.55])
def test_rounding_makes_no_bands_of_a_flat_price(price: float) -> None:
    """A flat price whose mean does not round to itself still has no deviation, so no place between bands."""
    values = features_of(flat(200, price, 777.0))
    for name in ("bollinger_position", "volume_z_20"):
        assert np.isnan(values[WARMUP_BARS:, FEATURE_NAMES.index(name)]).all()
