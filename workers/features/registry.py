"""What the models see: one registry entry a feature, each scale-free, causal and with a declared warm-up.

A feature's warm-up is the number of bars after which its value no longer depends on where the history
began: the window for a moving statistic, and for a recursive one the settling measured against other seeds
(relative difference under 1e-4: RSI 109, ATR 84, ADX 139, MACD 150 bars). A history begins with a session's
first bar. One symbol has arrays (bars,), several of equal length (symbols, bars), on numpy or cupy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from workers.bars.series import COLUMNS, Series
from workers.features import indicators
from workers.features.indicators import Array, difference, namespace, rolling_std, rolling_sum, sma

MICROSECONDS_A_DAY = 24 * 3600 * 10**6
BARS = (*COLUMNS, "session", "timestamp")


@dataclass(frozen=True)
class Frame:
    """Bars as arrays of one namespace, and the seed indicators computed from them once."""

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    session: Array
    timestamp: Array
    intraday: bool
    raw: dict[str, Array]

    @cached_property
    def log_close(self) -> Array:
        return namespace(self.close).log(self.close)

    @cached_property
    def log_volume(self) -> Array:
        return namespace(self.volume).log1p(self.volume)

    @cached_property
    def volatility_20(self) -> Array:
        return rolling_std(difference(self.log_close), 20)

    @cached_property
    def volatility_60(self) -> Array:
        return rolling_std(difference(self.log_close), 60)


@dataclass(frozen=True)
class Feature:
    """A model input: `compute` maps a frame to one value a bar, without unit; `source` says whose formula it is."""

    name: str
    source: str
    warmup_bars: int
    compute: Callable[[Frame], Array]


RAW_INDICATORS = (
    "sma_20", "sma_50", "ema_12", "ema_26", "rsi_14", "atr_14", "vwap", "bb_upper", "bb_middle", "bb_lower",
    "macd_line", "macd_signal", "macd_histogram", "adx_14", "obv",
)  # fmt: skip


def seed_indicators(high: Array, low: Array, close: Array, volume: Array, session: Array | None) -> dict[str, Array]:
    """The fifteen seed indicators in price units; VWAP by session if `session` is given, else over 20 bars."""
    upper, middle, lower = indicators.bollinger(close)
    found = recursive_indicators(high, low, close, volume, session) | {
        "sma_20": middle,
        "sma_50": sma(close, 50),
        "bb_upper": upper,
        "bb_middle": middle,
        "bb_lower": lower,
        "obv": indicators.obv(close, volume),
    }
    if session is None:
        found["vwap"] = indicators.vwap(high, low, close, volume)
    return {name: found[name] for name in RAW_INDICATORS}


def recursive_indicators(
    high: Array, low: Array, close: Array, volume: Array, session: Array | None
) -> dict[str, Array]:
    """Those of the features' indicators whose last bits depend on every bar before: no tail of a history gives them."""
    line, signal, histogram = indicators.macd(close)
    found = {
        "ema_12": indicators.ema(close, 12),
        "ema_26": indicators.ema(close, 26),
        "rsi_14": indicators.rsi(close),
        "atr_14": indicators.atr(high, low, close),
        "macd_line": line,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "adx_14": indicators.adx(high, low, close),
    }
    return found if session is None else found | {"vwap": indicators.session_vwap(high, low, close, volume, session)}


def march_day(day: Array) -> Array:
    """Days since 1 March, 0 to 365, of days since 1970: the year's leap day comes last (Hinnant)."""
    of_era = (day + 719_468) % 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    return of_era - (365 * year + year // 4 - year // 100)


def month_day(day: Array) -> Array:
    """Day of the month, 1 to 31, of days since 1970."""
    of_year = march_day(day)
    month = (5 * of_year + 2) // 153
    return of_year - (153 * month + 2) // 5 + 1


def _weekday(frame: Frame) -> Array:
    """Monday 0, Sunday 1. Day 0, 1 January 1970, was a Thursday."""
    return (frame.session + 3) % 7 / 6.0


def _session_position(frame: Frame) -> Array:
    """Time since the session's first bar as a share of a day: how long the session will last is not known yet."""
    xp = namespace(frame.close)
    if not frame.intraday:
        return xp.zeros(frame.close.shape)
    first = indicators.session_start(frame.session)
    return (frame.timestamp - xp.take_along_axis(frame.timestamp, first, axis=-1)) / MICROSECONDS_A_DAY


def _volume_z(frame: Frame) -> Array:
    return (frame.log_volume - sma(frame.log_volume, 20)) / rolling_std(frame.log_volume, 20)


def _obv_slope(frame: Frame) -> Array:
    signed = namespace(frame.close).sign(difference(frame.close)) * frame.volume
    return rolling_sum(signed, 20) / rolling_sum(frame.volume, 20)


def _slope_in_atr(frame: Frame, name: str) -> Array:
    """What an indicator moved over 5 bars, in average true ranges."""
    return difference(frame.raw[name], 5) / frame.raw["atr_14"]


def _band_share(frame: Frame) -> Array:
    return (frame.close - frame.raw["bb_middle"]) / (frame.raw["bb_upper"] - frame.raw["bb_lower"])


def _return(bars: int) -> Feature:
    return Feature(f"return_{bars}", "log return", bars, lambda f: difference(f.log_close, bars))


FEATURES = (
    *map(_return, (1, 5, 10, 20, 60)),
    Feature("close_to_sma_20", "simple moving mean", 19, lambda f: f.close / f.raw["sma_20"] - 1.0),
    Feature("close_to_sma_50", "simple moving mean", 49, lambda f: f.close / f.raw["sma_50"] - 1.0),
    Feature("sma_20_slope_5", "moving mean; Wilder (1978)", 98, lambda f: _slope_in_atr(f, "sma_20")),
    Feature("ema_26_slope_5", "exponential mean; Wilder (1978)", 115, lambda f: _slope_in_atr(f, "ema_26")),
    Feature("ema_12_to_26", "exponential mean", 115, lambda f: f.raw["ema_12"] / f.raw["ema_26"] - 1.0),
    Feature("rsi_14", "Wilder (1978)", 123, lambda f: f.raw["rsi_14"] / 100.0 - 0.5),
    Feature("atr_14_to_close", "Wilder (1978)", 98, lambda f: f.raw["atr_14"] / f.close),
    Feature("close_to_vwap", "volume-weighted mean", 19, lambda f: f.close / f.raw["vwap"] - 1.0),
    Feature("bollinger_width", "Bollinger", 19, lambda f: (f.raw["bb_upper"] - f.raw["bb_lower"]) / f.raw["bb_middle"]),
    Feature("bollinger_position", "Bollinger", 19, _band_share),
    Feature("macd_line_to_atr", "Appel; Wilder (1978)", 150, lambda f: f.raw["macd_line"] / f.raw["atr_14"]),
    Feature("macd_histogram_to_atr", "Appel; Wilder (1978)", 150, lambda f: f.raw["macd_histogram"] / f.raw["atr_14"]),
    Feature("adx_14", "Wilder (1978)", 150, lambda f: f.raw["adx_14"] / 100.0),
    Feature("obv_slope_20", "Granville (1963)", 20, _obv_slope),
    Feature("volatility_20", "deviation of log returns", 20, lambda f: f.volatility_20),
    Feature("volatility_60", "deviation of log returns", 60, lambda f: f.volatility_60),
    Feature("volatility_20_to_60", "deviation of log returns", 60, lambda f: f.volatility_20 / f.volatility_60),
    Feature("volume_z_20", "z-score of log volume", 19, _volume_z),
    Feature("range_to_close", "high less low", 0, lambda f: (f.high - f.low) / f.close),
    # No place in the year: in windows shorter than one it is a clock, by which rows are known, not markets.
    Feature("weekday", "calendar", 0, _weekday),
    Feature("month_position", "calendar", 0, lambda f: (month_day(f.session) - 1) / 30.0),
    Feature("session_position", "calendar", 0, _session_position),
)

FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def frame_of(series: Series, intraday: bool, *, xp: ModuleType = np) -> Frame:
    """A frame of one symbol, its arrays of shape (bars,), moved to `xp`; with its seed indicators."""
    return _frame({name: xp.asarray(getattr(series, name)) for name in BARS}, intraday)


def frame_of_all(series: Sequence[Series], intraday: bool, *, xp: ModuleType = np) -> Frame:
    """A frame of several symbols of equal length, its arrays of shape (symbols, bars), moved to `xp`."""
    return _frame({name: xp.asarray(np.stack([getattr(s, name) for s in series])) for name in BARS}, intraday)


def _frame(arrays: dict[str, Array], intraday: bool) -> Frame:
    session = arrays["session"] if intraday else None
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = seed_indicators(arrays["high"], arrays["low"], arrays["close"], arrays["volume"], session)
    return Frame(**arrays, intraday=intraday, raw=raw)


def model_features(frame: Frame) -> Array:
    """Features, shape (..., bars, len(FEATURES)), of the frame's namespace.

    NaN where undefined: warm-up, nothing traded, flat price.
    """
    xp = namespace(frame.close)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = xp.stack([feature.compute(frame) for feature in FEATURES], axis=-1)
    matrix[~xp.isfinite(matrix)] = xp.nan
    return matrix
