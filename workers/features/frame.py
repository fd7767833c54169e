"""Bars of one or several symbols as arrays, with the indicators that features are computed from."""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from workers.bars.series import COLUMNS, Series
from workers.features import indicators
from workers.features.indicators import Array, difference, namespace, rolling_std, sma

BARS = (*COLUMNS, "session", "timestamp")


@dataclass(frozen=True)
class Frame:
    """Bars as arrays of one array module, shape (bars,) or (symbols, bars), and their seed indicators in `raw`.

    `session` numbers each bar's session in ascending order, in days since 1970; `timestamp` is microseconds since
    1970. `raw` maps each name of `RAW_INDICATORS` to its values, in price units.
    """

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
        """Natural logarithm of the close."""
        return namespace(self.close).log(self.close)

    @cached_property
    def log_volume(self) -> Array:
        """Logarithm of 1 + volume."""
        return namespace(self.volume).log1p(self.volume)

    @cached_property
    def volatility_20(self) -> Array:
        """Deviation of the last 20 log returns."""
        return rolling_std(difference(self.log_close), 20)

    @cached_property
    def volatility_60(self) -> Array:
        """Deviation of the last 60 log returns."""
        return rolling_std(difference(self.log_close), 60)


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
    """Compute the seed indicators that need more than a few bars: their last bits depend on all earlier bars.

    A session's VWAP depends on all bars of its session.
    """
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


def frame_of(series: Series, intraday: bool, *, xp: ModuleType = np) -> Frame:
    """Frame of one symbol's bars, moved to the array module `xp`, with its seed indicators.

    Arrays have shape (bars,), or (symbols, bars) where those of `series` have.
    """
    arrays = {name: xp.asarray(getattr(series, name)) for name in BARS}
    session = arrays["session"] if intraday else None
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = seed_indicators(arrays["high"], arrays["low"], arrays["close"], arrays["volume"], session)
    return Frame(**arrays, intraday=intraday, raw=raw)
