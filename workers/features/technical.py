"""Features of prices and volume: returns, means, oscillators, bands, volatility."""

from workers.features.frame import Frame
from workers.features.indicators import Array, difference, namespace, rolling_std, rolling_sum, sma
from workers.features.registry import Feature, register


def _volume_z(frame: Frame) -> Array:
    return (frame.log_volume - sma(frame.log_volume, 20)) / rolling_std(frame.log_volume, 20)


def _obv_slope(frame: Frame) -> Array:
    signed = namespace(frame.close).sign(difference(frame.close)) * frame.volume
    return rolling_sum(signed, 20) / rolling_sum(frame.volume, 20)


def _slope_in_atr(frame: Frame, name: str) -> Array:
    """Change of an indicator over 5 bars, in average true ranges."""
    return difference(frame.raw[name], 5) / frame.raw["atr_14"]


def _band_share(frame: Frame) -> Array:
    return (frame.close - frame.raw["bb_middle"]) / (frame.raw["bb_upper"] - frame.raw["bb_lower"])


def _return(bars: int) -> Feature:
    return Feature(f"return_{bars}", "log return", bars, lambda f: difference(f.log_close, bars))


register(
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
)
