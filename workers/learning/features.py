"""What the models see: one registry entry a feature, each scale-free, causal and with a declared warm-up.

A feature's warm-up is the number of bars after which its value no longer depends on where the history
began: the window for a moving statistic, and for a recursive one the settling measured against other seeds
(relative difference under 1e-4: RSI 109, ATR 84, ADX 139, MACD 150 bars).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.bars.series import Floats, Series
from workers.learning import indicators
from workers.learning.indicators import Array, difference, rolling_std, rolling_sum, sma


@dataclass(frozen=True)
class Frame:
    """Bars as arrays of one namespace, and the seed indicators computed from them once."""

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    raw: dict[str, Array]


@dataclass(frozen=True)
class Feature:
    """A model input: `compute` maps a frame to one value a bar, without unit."""

    name: str
    warmup_bars: int
    compute: Callable[[Frame], Array]


RAW_INDICATORS = (
    "sma_20", "sma_50", "ema_12", "ema_26", "rsi_14", "atr_14", "vwap", "bb_upper", "bb_middle", "bb_lower",
    "macd_line", "macd_signal", "macd_histogram", "adx_14", "obv",
)  # fmt: skip


def seed_indicators(high: Array, low: Array, close: Array, volume: Array, session: Array | None) -> dict[str, Array]:
    """The fifteen seed indicators in price units; VWAP by session if `session` is given, else over 20 bars."""
    upper, middle, lower = indicators.bollinger(close)
    line, signal, histogram = indicators.macd(close)
    vwap = (
        indicators.vwap(high, low, close, volume)
        if session is None
        else indicators.session_vwap(high, low, close, volume, session)
    )
    values = (
        sma(close, 20), sma(close, 50), indicators.ema(close, 12), indicators.ema(close, 26), indicators.rsi(close),
        indicators.atr(high, low, close), vwap, upper, middle, lower, line, signal, histogram,
        indicators.adx(high, low, close), indicators.obv(close, volume),
    )  # fmt: skip
    return dict(zip(RAW_INDICATORS, values, strict=True))


def _log_return(frame: Frame, bars: int) -> Array:
    xp = indicators.namespace(frame.close)
    log_close = xp.log(frame.close)
    padding = xp.full(min(bars, len(log_close)), xp.nan)
    return xp.concatenate([padding, log_close[bars:] - log_close[:-bars]])


def _volume_z(frame: Frame) -> Array:
    log_volume = indicators.namespace(frame.close).log1p(frame.volume)
    return (log_volume - sma(log_volume, 20)) / rolling_std(log_volume, 20)


def _obv_slope(frame: Frame) -> Array:
    signed = indicators.namespace(frame.close).sign(difference(frame.close)) * frame.volume
    return rolling_sum(signed, 20) / rolling_sum(frame.volume, 20)


FEATURES = (
    Feature("return_1", 1, lambda f: _log_return(f, 1)),
    Feature("return_5", 5, lambda f: _log_return(f, 5)),
    Feature("return_20", 20, lambda f: _log_return(f, 20)),
    Feature("close_to_sma_20", 19, lambda f: f.close / f.raw["sma_20"] - 1.0),
    Feature("close_to_sma_50", 49, lambda f: f.close / f.raw["sma_50"] - 1.0),
    Feature("ema_12_to_26", 115, lambda f: f.raw["ema_12"] / f.raw["ema_26"] - 1.0),
    Feature("rsi_14", 123, lambda f: f.raw["rsi_14"] / 100.0 - 0.5),
    Feature("atr_14_to_close", 98, lambda f: f.raw["atr_14"] / f.close),
    Feature("close_to_vwap", 19, lambda f: f.close / f.raw["vwap"] - 1.0),
    Feature("bollinger_width", 19, lambda f: (f.raw["bb_upper"] - f.raw["bb_lower"]) / f.raw["bb_middle"]),
    Feature(
        "bollinger_position",
        19,
        lambda f: (f.close - f.raw["bb_middle"]) / (f.raw["bb_upper"] - f.raw["bb_lower"]),
    ),
    Feature("macd_line_to_atr", 150, lambda f: f.raw["macd_line"] / f.raw["atr_14"]),
    Feature("macd_histogram_to_atr", 150, lambda f: f.raw["macd_histogram"] / f.raw["atr_14"]),
    Feature("adx_14", 150, lambda f: f.raw["adx_14"] / 100.0),
    Feature("obv_slope_20", 20, _obv_slope),
    Feature("volatility_20", 21, lambda f: rolling_std(_log_return(f, 1), 20)),
    Feature("volume_z_20", 19, _volume_z),
    Feature("range_to_close", 0, lambda f: (f.high - f.low) / f.close),
)

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def frame_of(series: Series, intraday: bool) -> Frame:
    """A numpy frame of `series` with its seed indicators."""
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = seed_indicators(
            series.high, series.low, series.close, series.volume, series.session if intraday else None
        )
    return Frame(series.open, series.high, series.low, series.close, series.volume, raw)


def model_features(frame: Frame) -> Floats:
    """Feature matrix, shape (bars, len(FEATURES)); NaN where undefined (warm-up, nothing traded, flat price)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [feature.compute(frame) for feature in FEATURES]
    matrix: NDArray[np.float64] = np.stack(columns, axis=1)
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix
