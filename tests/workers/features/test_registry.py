"""Features: declared warm-up, no look ahead, no unit, no infinity."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.window import WARMUP_BARS, Window
from tests.strategies import daily_walk, examples, intraday_walk, part, stacked, training_settings, walks
from tests.workers.learning.targets import counts_for
from workers.bars.calendar import day_number
from workers.bars.series import COLUMNS, Floats, Series
from workers.features.calendar import MICROSECONDS_PER_DAY, march_day, month_day
from workers.features.frame import RAW_INDICATORS, frame_of
from workers.features.registry import FEATURES, Feature, feature_names, model_features, register
from workers.learning.history import prepare
from workers.learning.window import fit_window_teacher
from workers.serving.features import newest_features

WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
GARBAGE = (float("nan"), float("inf"), -1.0, 0.0, 1e-3, 1e9)


def features_of(series: Series, intraday: bool = False) -> Floats:
    values: Floats = model_features(frame_of(series, intraday))
    return values


def column(values: Floats, name: str) -> Floats:
    return values[..., feature_names().index(name)]


def flat(bars: int, price: float, volume: float) -> Series:
    """Bars whose four prices are all `price`."""
    prices = np.full(bars, price)
    return replace(
        daily_walk(bars), open=prices, high=prices, low=prices, close=prices, volume=np.full(bars, float(volume))
    )


def columns_that_differ(left: Floats, right: Floats) -> list[str]:
    """Features whose columns are not the same to the last bit."""
    return [name for i, name in enumerate(feature_names()) if left[:, i].tobytes() != right[:, i].tobytes()]


def test_no_feature_needs_more_warmup_than_the_plan_allows() -> None:
    """The planner's warm-up is the longest that any feature declares: no less, and no bar wasted."""
    assert max(feature.warmup_bars for feature in FEATURES.values()) == WARMUP_BARS


def test_names_are_unique() -> None:
    """Feature names identify columns, so no two are equal."""
    assert len(set(feature_names())) == len(FEATURES)
    assert len(set(RAW_INDICATORS)) == len(RAW_INDICATORS) == 15


@pytest.fixture
def range_share() -> Iterator[Feature]:
    """A feature that is registered for one test."""
    feature = Feature(
        "range_share", "(close - low) / (high - low)", "range", 0, lambda f: (f.close - f.low) / (f.high - f.low)
    )
    register(feature)
    yield feature
    del FEATURES[feature.name]


def test_a_registered_feature_reaches_every_model(range_share: Feature) -> None:
    """A new feature is the last column in training and in serving, and teacher and student store its name."""
    series, settings = daily_walk(520), training_settings()
    history = prepare(series, settings)
    expected = (series.close - series.low) / (series.high - series.low)
    assert feature_names()[-1] == range_share.name
    assert column(history.features, range_share.name).tobytes() == expected.tobytes()
    assert newest_features([series], intraday=False)[0].tobytes() == history.features[-1].tobytes()
    counts = counts_for({"A": history}, WINDOW, settings)
    trained = fit_window_teacher({"A": history}, WINDOW, settings, counts, "cpu")
    assert range_share.name in trained.features
    assert len(trained.teacher.model.importance(trained.features)) == len(trained.features)


def test_a_feature_is_registered_once_and_within_the_plans_warmup() -> None:
    """A taken name and a warm-up that windows do not leave are refused, and nothing is registered."""
    before = feature_names()
    with pytest.raises(ValueError, match="'rsi_14' is already registered"):
        register(FEATURES["rsi_14"])
    with pytest.raises(ValueError, match=f"needs {WARMUP_BARS + 1} bars of warm-up"):
        register(replace(FEATURES["rsi_14"], name="slow", warmup_bars=WARMUP_BARS + 1))
    assert feature_names() == before


def test_every_feature_names_its_source() -> None:
    """A registry entry has a name, a short source, a warm-up and a function."""
    for feature in FEATURES.values():
        assert 0 < len(feature.source) <= 40, feature.name
        assert feature.warmup_bars >= 0 and callable(feature.compute), feature.name


@pytest.mark.parametrize("bars", [1, 2, 14, 151, 400])
def test_one_row_per_bar_and_one_column_per_feature(bars: int) -> None:
    """A history of any length from one bar on has a row of features for each bar."""
    assert features_of(daily_walk(bars)).shape == (bars, len(FEATURES))


@examples(20)
@given(seed=st.integers(0, 2**16))
def test_defined_after_its_warmup(seed: int) -> None:
    """A feature of bars that move and trade is defined from the bar that has its warm-up before it."""
    values = features_of(daily_walk(WARMUP_BARS + 60, seed))
    for feature in FEATURES.values():
        assert np.isfinite(column(values, feature.name)[feature.warmup_bars :]).all(), feature.name


@pytest.mark.parametrize("feature", FEATURES.values(), ids=feature_names())
def test_warmup_is_enough(feature: Feature) -> None:
    """A history begun `warmup_bars` before a bar gives the value of the whole history, within 1 % of its spread."""
    for seed in range(8):
        series = daily_walk(600, seed)
        whole = column(features_of(series), feature.name)
        for t in (200, 350, 599):
            begun_late = column(features_of(part(series, slice(t - feature.warmup_bars, t + 1))), feature.name)[-1]
            assert begun_late == pytest.approx(whole[t], abs=0.01 * float(np.nanstd(whole)))


@pytest.mark.parametrize("feature", FEATURES.values(), ids=feature_names())
def test_warmup_is_enough_within_a_day(feature: Feature) -> None:
    """The same of intraday bars, where the history begins with the last session that has the warm-up before the bar."""
    bars = 25
    for seed in range(4):
        series = intraday_walk(24, bars, seed)
        whole = column(features_of(series, intraday=True), feature.name)
        for t in (210, 355, 24 * bars - 1):
            begin = (t - feature.warmup_bars) // bars * bars
            begun_late = column(features_of(part(series, slice(begin, t + 1)), intraday=True), feature.name)[-1]
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


def poison_after(series: Series, t: int, garbage: float) -> Series:
    """`series` with every price and volume after bar `t` replaced."""
    later = np.arange(len(series)) > t
    return replace(series, **{name: np.where(later, garbage, getattr(series, name)) for name in COLUMNS})


@pytest.mark.parametrize("factor", [2.0, 0.01, 83.0])
@pytest.mark.parametrize("intraday", [False, True])
@examples(15)
@given(series=walks(160, 400))
def test_no_feature_has_the_unit_of_a_price(intraday: bool, factor: float, series: Series) -> None:
    """Quoting every price in another currency changes no feature, to 1e-9."""
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
    in_atr = ("macd_line_to_atr", "macd_histogram_to_atr", "sma_20_slope_5", "ema_26_slope_5")
    for name in (*in_atr, "volatility_20_to_60"):
        assert np.isnan(column(values, name)).all(), name
    unmoved = ("return_1", "return_60", "rsi_14", "adx_14", "range_to_close", "volatility_20", "volatility_60")
    for name in (*unmoved, "atr_14_to_close"):
        assert (column(values, name) == 0.0).all(), name


def test_flat_price_has_no_place_between_its_bands() -> None:
    """Where both Bollinger bands are the price itself, its position between them is NaN."""
    values = features_of(flat(60, 100.0, 777.0))
    assert np.isnan(column(values, "bollinger_position")).all()


@pytest.mark.parametrize("intraday", [False, True])
@examples(20)
@given(series=walks(160, 300))
def test_nothing_traded_gives_no_infinity(intraday: bool, series: Series) -> None:
    """Bars without volume make the volume features NaN and change no other feature."""
    silent = features_of(replace(series, volume=np.zeros(len(series))), intraday)[WARMUP_BARS:]
    for name in feature_names():
        expected = np.isnan if name in ("obv_slope_20", "volume_z_20") else np.isfinite
        assert expected(column(silent, name)).all(), name


@pytest.mark.parametrize("price", [0.1, 33.3, 100.1, 1234.55])
def test_rounding_makes_no_bands_of_a_flat_price(price: float) -> None:
    """A flat price whose mean does not round to itself still has no deviation, so no place between bands."""
    values = features_of(flat(200, price, 777.0))
    for name in ("bollinger_position", "volume_z_20"):
        assert np.isnan(column(values[WARMUP_BARS:], name)).all()


@pytest.mark.parametrize("intraday", [False, True])
@pytest.mark.parametrize("bars", [1, 2, 30, 61, 300])
def test_symbols_side_by_side_equal_symbols_one_by_one(bars: int, intraday: bool) -> None:
    """Features of several symbols at once are, bit for bit, those of each alone, whatever sessions each traded in."""
    walked = [
        part(intraday_walk(bars, per_session, seed), slice(0, bars)) for seed, per_session in enumerate((1, 3, 7))
    ]
    together = model_features(frame_of(stacked(walked), intraday))
    assert together.shape == (3, bars, len(FEATURES))
    for symbol, series in enumerate(walked):
        assert not columns_that_differ(together[symbol], features_of(series, intraday))


def test_day_of_the_month_and_of_the_year_are_the_calendars() -> None:
    """From 1970 to 2103, over leap years and the century without one, each day has its calendar number."""
    days = [date(1970, 1, 1) + timedelta(days=i) for i in range(134 * 365)]
    numbers = np.array([day_number(day) for day in days], dtype=np.int64)
    assert month_day(numbers).tolist() == [day.day for day in days]
    since_march = [(day - date(day.year - (day.month < 3), 3, 1)).days for day in days]
    assert march_day(numbers).tolist() == since_march


def test_weekday_runs_from_monday_to_sunday() -> None:
    """Monday is 0, Friday 4/6 and a special session on a Sunday 1."""
    series = daily_walk(5, first=date(2024, 1, 15))
    assert column(features_of(series), "weekday") == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6])
    sunday = replace(series, session=series.session + 6)
    assert column(features_of(sunday), "weekday")[0] == 1.0


def test_session_position_counts_from_the_sessions_first_bar() -> None:
    """Within a day it is the time since the session's first bar, as a share of a day; of daily bars it is 0."""
    series = intraday_walk(3, 4)
    quarters = np.tile(np.arange(4), 3) * (MICROSECONDS_PER_DAY // 96)
    opening = 9 * MICROSECONDS_PER_DAY // 24
    timed = replace(series, timestamp=series.session * MICROSECONDS_PER_DAY + opening + quarters)
    assert column(features_of(timed, intraday=True), "session_position") == pytest.approx(np.tile(np.arange(4) / 96, 3))
    assert (column(features_of(timed), "session_position") == 0.0).all()
