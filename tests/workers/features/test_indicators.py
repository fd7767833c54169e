"""Indicators against TA-Lib, against published tables, and against their own definitions."""

from collections.abc import Callable

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import daily_walk, examples, intraday_walk
from workers.bars.series import Floats, Series
from workers.features import indicators
from workers.features.frame import seed_indicators

MOVING_MEAN = talib.MA_Type.SMA  # type: ignore[attr-defined]

# Each gives the same tuple of arrays twice: ours, then TA-Lib's.
Pair = Callable[[Series], tuple[tuple[Floats, ...], tuple[Floats, ...]]]


def where_signal_is(macd: tuple[Floats, Floats, Floats]) -> tuple[Floats, ...]:
    """MACD as TA-Lib shows it: the line, too, only from the signal's first bar on."""
    line, signal, histogram = macd
    return np.where(np.isnan(signal), np.nan, line), signal, histogram


PAIRS: dict[str, Pair] = {
    "sma_20": lambda b: ((indicators.sma(b.close, 20),), (talib.SMA(b.close, timeperiod=20),)),
    "ema_12": lambda b: ((indicators.ema(b.close, 12),), (talib.EMA(b.close, timeperiod=12),)),
    "ema_26": lambda b: ((indicators.ema(b.close, 26),), (talib.EMA(b.close, timeperiod=26),)),
    "rolling_std_20": lambda b: (
        (indicators.rolling_std(b.close, 20),),
        (talib.STDDEV(b.close, timeperiod=20, nbdev=1.0),),
    ),
    "rsi_14": lambda b: ((indicators.rsi(b.close, 14),), (talib.RSI(b.close, timeperiod=14),)),
    "rsi_5": lambda b: ((indicators.rsi(b.close, 5),), (talib.RSI(b.close, timeperiod=5),)),
    "true_range": lambda b: (
        (indicators.true_range(b.high, b.low, b.close),),
        (talib.TRANGE(b.high, b.low, b.close),),
    ),
    "atr_14": lambda b: (
        (indicators.atr(b.high, b.low, b.close, 14),),
        (talib.ATR(b.high, b.low, b.close, timeperiod=14),),
    ),
    "adx_14": lambda b: (
        (indicators.adx(b.high, b.low, b.close, 14),),
        (talib.ADX(b.high, b.low, b.close, timeperiod=14),),
    ),
    "bollinger": lambda b: (
        indicators.bollinger(b.close, 20, 2.0),
        talib.BBANDS(b.close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=MOVING_MEAN),
    ),
    "macd": lambda b: (
        where_signal_is(indicators.macd(b.close, 12, 26, 9)),
        talib.MACD(b.close, fastperiod=12, slowperiod=26, signalperiod=9),
    ),
    "obv": lambda b: ((indicators.obv(b.close, b.volume),), (talib.OBV(b.close, b.volume),)),
}

# StockCharts' worked example of RSI(14).
STOCKCHARTS_CLOSE = np.array([
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328,
    45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521, 45.7137, 46.4515,
    45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
])  # fmt: skip
STOCKCHARTS_RSI_14 = [
    70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93, 63.26, 56.06, 62.38, 54.71, 50.42, 39.99, 41.46, 41.87, 45.46,
    37.30, 33.08, 37.77,
]  # fmt: skip

# Achelis, "Technical Analysis from A to Z", worked example of RSI(5).
ACHELIS_CLOSE = np.array([
    37.875, 39.5, 38.75, 39.8125, 40, 39.875, 40.1875, 41.25, 41.125, 41.625, 41.25, 40.1875, 39.9375, 39.9375, 40.5,
    41.9375, 42.25, 42.25, 41.875, 41.875,
])  # fmt: skip
ACHELIS_RSI_5 = [
    76.6667, 78.8679, 84.9158, 81.4863, 84.5968, 73.0851, 49.3173, 45.0119, 45.0119, 57.9252, 75.9596, 78.4676,
    78.4676, 65.6299, 65.6299,
]  # fmt: skip

# The first 34 bars of TA-Lib's regression corpus (BSD): high, low, close, volume.
CORPUS = np.array([
    (93.25, 90.75, 91.5, 4077500), (94.94, 91.405, 94.815, 4955900), (96.375, 94.25, 94.375, 4775300),
    (96.19, 93.5, 95.095, 4155300), (96.0, 92.815, 93.78, 4593100), (94.72, 93.5, 94.625, 3631300),
    (95.0, 92.0, 92.53, 3382800), (93.72, 89.75, 92.75, 4954200), (92.47, 89.44, 90.315, 4500000),
    (92.75, 90.625, 92.47, 3397500), (96.25, 92.75, 96.125, 4204500), (99.625, 96.315, 97.25, 6321400),
    (99.125, 96.03, 98.5, 10203600), (92.75, 88.815, 89.875, 19043900), (91.315, 86.75, 91.0, 11692000),
    (93.25, 90.94, 92.815, 9553300), (93.405, 88.905, 89.155, 8920300), (90.655, 88.78, 89.345, 5970900),
    (91.97, 89.25, 91.625, 5062300), (92.25, 89.75, 89.875, 3705600), (90.345, 87.5, 88.375, 5865600),
    (88.5, 86.53, 87.625, 5603000), (88.25, 84.625, 84.78, 5811900), (85.5, 82.28, 83.0, 8483800),
    (84.44, 81.565, 83.5, 5995200), (84.75, 80.875, 81.375, 5408800), (84.44, 81.25, 84.44, 5430500),
    (89.405, 84.065, 89.25, 6283800), (88.125, 85.595, 86.375, 5834800), (89.125, 85.97, 86.25, 4515500),
    (87.155, 84.405, 85.25, 4493300), (87.25, 85.095, 87.125, 4346100), (87.375, 85.5, 85.815, 3700300),
    (88.97, 85.53, 88.97, 4600200),
])  # fmt: skip
HIGH, LOW, CLOSE, VOLUME = CORPUS.T.copy()


def same(ours: Floats, theirs: Floats) -> None:
    """Equal to 1e-9, and undefined at the same bars."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("name", PAIRS)
@examples(25)
@given(bars=st.integers(60, 700), seed=st.integers(0, 2**16))
def test_equals_talib_on_random_walks(name: str, bars: int, seed: int) -> None:
    """An indicator that TA-Lib has equals it to 1e-9 on every bar, the undefined ones included."""
    for ours, theirs in zip(*PAIRS[name](daily_walk(bars, seed)), strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("name", PAIRS)
def test_short_histories_are_undefined_where_talib_is(name: str) -> None:
    """A history of any length from one bar on gives as many values as bars, NaN until TA-Lib has one."""
    for bars in range(1, 45):
        for ours, theirs in zip(*PAIRS[name](daily_walk(bars, seed=bars)), strict=True):
            same(ours, theirs)


def test_rsi_14_is_stockcharts_table() -> None:
    """RSI(14) gives StockCharts' published 19 values to their two decimals."""
    rsi = indicators.rsi(STOCKCHARTS_CLOSE, 14)
    assert np.isnan(rsi[:14]).all()
    assert rsi[14:] == pytest.approx(STOCKCHARTS_RSI_14, abs=0.00501)


def test_rsi_5_is_achelis_table() -> None:
    """RSI(5) gives the values of Achelis' book to their four decimals."""
    assert indicators.rsi(ACHELIS_CLOSE, 5)[5:] == pytest.approx(ACHELIS_RSI_5, abs=5e-5)


def test_first_values_of_the_talib_corpus() -> None:
    """Each indicator's first values on TA-Lib's regression corpus are those of its C tests."""
    assert indicators.rsi(CLOSE)[14:17] == pytest.approx([49.1473, 52.3256, 46.0724], abs=5e-5)
    assert indicators.atr(HIGH, LOW, CLOSE)[14:17] == pytest.approx([3.5782, 3.4876, 3.5599], abs=5e-5)
    assert indicators.adx(HIGH, LOW, CLOSE)[27:29] == pytest.approx([22.9993, 22.0803], abs=5e-5)
    assert [x[33] for x in indicators.macd(CLOSE)] == pytest.approx([-1.9738, -2.7071, 0.7333], abs=5e-5)
    assert [x[19] for x in indicators.bollinger(CLOSE)] == pytest.approx([98.0734, 92.8910, 87.7086], abs=5e-5)
    assert indicators.ema(CLOSE, 14)[13] == pytest.approx(93.8575, abs=5e-5)
    assert indicators.true_range(HIGH, LOW, CLOSE)[1] == pytest.approx(3.535)
    assert indicators.rolling_std(CLOSE, 5)[4] == pytest.approx(1.2856, abs=5e-5)
    assert indicators.obv(CLOSE, VOLUME)[:3].tolist() == [4_077_500, 9_033_400, 4_258_100]


@pytest.mark.parametrize("price", [100.0, 0.1, 1234.55])
def test_flat_price_has_a_neutral_rsi(price: float) -> None:
    """A price that never moves has RSI 50, neither bought nor sold, and an ADX of 0."""
    flat = np.full(60, price)
    assert (indicators.rsi(flat)[14:] == 50.0).all()
    assert (indicators.adx(flat, flat, flat)[27:] == 0.0).all()


def test_rsi_is_100_on_a_rise_and_0_on_a_fall() -> None:
    """A price that only rises has RSI 100, one that only falls has 0."""
    rising = np.arange(1.0, 61.0)
    assert (indicators.rsi(rising)[14:] == 100.0).all()
    assert (indicators.rsi(rising[::-1].copy())[14:] == 0.0).all()


@examples(30)
@given(sessions=st.integers(2, 12), bars=st.integers(1, 9), seed=st.integers(0, 2**16))
def test_session_vwap_starts_anew_each_session(sessions: int, bars: int, seed: int) -> None:
    """Session VWAP is the volume-weighted typical price of this session's bars so far, whatever came before."""
    b = intraday_walk(sessions, bars, seed)
    vwap = indicators.session_vwap(b.high, b.low, b.close, b.volume, b.session)
    typical = (b.high + b.low + b.close) / 3.0
    for t in range(len(b)):
        own = slice(t - t % bars, t + 1)
        assert vwap[t] == pytest.approx(np.average(typical[own], weights=b.volume[own]), rel=1e-9)
    assert vwap[::bars] == pytest.approx(typical[::bars], rel=1e-9)


def test_session_vwap_does_not_depend_on_other_sessions() -> None:
    """Of 937,500 minute bars with volume 1 at each open, every session's VWAP has the bits of the session alone."""
    length = 375
    b = intraday_walk(2_500, length)
    volume = np.where(np.arange(len(b)) % length == 0, 1.0, b.volume)
    whole = indicators.session_vwap(b.high, b.low, b.close, volume, b.session)
    high, low, close, traded, session = (
        each.reshape(-1, length) for each in (b.high, b.low, b.close, volume, b.session)
    )
    assert (indicators.session_vwap(high, low, close, traded, session).ravel() == whole).all()


def test_session_vwap_without_trades_is_the_typical_price() -> None:
    """A session in which nothing traded yet has its bar's typical price as VWAP, not a division by zero."""
    b = intraday_walk(3, 4)
    silent = np.where(np.arange(len(b)) < 6, b.volume, 0.0)
    vwap = indicators.session_vwap(b.high, b.low, b.close, silent, b.session)
    assert vwap[8:] == pytest.approx(((b.high + b.low + b.close) / 3.0)[8:])


@examples(20)
@given(bars=st.integers(20, 120), seed=st.integers(0, 2**16))
def test_rolling_vwap_weighs_the_last_twenty_bars(bars: int, seed: int) -> None:
    """Rolling VWAP is the volume-weighted typical price of the last 20 bars, the plain mean if none traded."""
    b = daily_walk(bars, seed)
    typical = (b.high + b.low + b.close) / 3.0
    vwap = indicators.vwap(b.high, b.low, b.close, b.volume)
    quiet = indicators.vwap(b.high, b.low, b.close, np.zeros(bars))
    assert np.isnan(vwap[:19]).all()
    for t in range(19, bars):
        last = slice(t - 19, t + 1)
        assert vwap[t] == pytest.approx(np.average(typical[last], weights=b.volume[last]), rel=1e-9)
        assert quiet[t] == pytest.approx(typical[last].mean(), rel=1e-9)


@pytest.mark.parametrize("intraday", [False, True])
def test_symbols_side_by_side_equal_symbols_one_by_one(intraday: bool) -> None:
    """Indicators of a (symbols, bars) array are, row by row, those of each symbol alone, bit for bit."""
    walks = [intraday_walk(60, 5, seed) for seed in range(4)]
    high, low, close, volume = (
        np.stack([getattr(w, name) for w in walks]) for name in ("high", "low", "close", "volume")
    )
    session = walks[0].session if intraday else None
    together = seed_indicators(high, low, close, volume, session)
    for row, walk in enumerate(walks):
        alone = seed_indicators(walk.high, walk.low, walk.close, walk.volume, session)
        for name, values in alone.items():
            np.testing.assert_array_equal(together[name][row], values, err_msg=name)


@examples(30)
@given(symbols=st.integers(1, 4), bars=st.integers(1, 40), seed=st.integers(0, 2**16))
def test_session_start_is_the_first_bar_of_each_bars_session(symbols: int, bars: int, seed: int) -> None:
    """Whatever sessions each symbol traded in, a bar's session starts at the first bar that has its number."""
    session = np.cumsum(np.random.default_rng(seed).integers(0, 2, (symbols, bars)), axis=-1) + 18_000
    first = indicators.session_start(session)
    for row, found in zip(session, first, strict=True):
        assert found.tolist() == [row.tolist().index(number) for number in row]
        assert indicators.session_start(row).tolist() == found.tolist()


@examples(30)
@given(n=st.integers(1, 60), seed=st.integers(0, 2**16), level=st.sampled_from((0.0, 100.0, 1e7)))
def test_rolling_deviation_loses_nothing_to_the_level(n: int, seed: int, level: float) -> None:
    """A window's deviation equals exact arithmetic on its values, to 1e-9, also far from zero and on a trend."""
    x = level + np.cumsum(np.random.default_rng(seed).normal(0.5, 1.0, 120))
    exact = [np.std((x[t - n + 1 : t + 1] - x[t]).astype(np.longdouble)) for t in range(n - 1, len(x))]
    assert indicators.rolling_std(x, n)[n - 1 :] == pytest.approx(np.array(exact, dtype=float), rel=1e-9, abs=1e-12)


def test_rolling_deviation_of_equal_values_is_exactly_zero() -> None:
    """A window of one repeated value, however it rounds, deviates by 0 and not by a rounding error."""
    assert (indicators.rolling_std(np.full(90, 0.1), 60)[59:] == 0.0).all()
