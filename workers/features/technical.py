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
    formula = f"log(close / close {bars} bars before)" if bars > 1 else "log(close / previous close)"
    return Feature(f"return_{bars}", formula, "log return", bars, lambda f: difference(f.log_close, bars))


def _volatility(bars: int) -> Feature:
    formula, source = f"deviation of the last {bars} log returns", "population deviation"
    return Feature(f"volatility_{bars}", formula, source, bars, lambda f: getattr(f, f"volatility_{bars}"))


register(
    *map(_return, (1, 5, 10, 20, 60)),
    Feature(
        "close_to_sma_20", "close / mean of 20 closes - 1", "simple moving mean", 19,
        lambda f: f.close / f.raw["sma_20"] - 1.0,
    ),
    Feature(
        "close_to_sma_50", "close / mean of 50 closes - 1", "simple moving mean", 49,
        lambda f: f.close / f.raw["sma_50"] - 1.0,
    ),
    Feature(
        "sma_20_slope_5", "change of the mean of 20 closes over 5 bars / ATR(14)", "moving mean; Wilder (1978)", 98,
        lambda f: _slope_in_atr(f, "sma_20"),
    ),
    Feature(
        "ema_26_slope_5", "change of EMA(26) over 5 bars / ATR(14)", "exponential mean; Wilder (1978)", 115,
        lambda f: _slope_in_atr(f, "ema_26"),
    ),
    Feature(
        "ema_12_to_26", "EMA(12) / EMA(26) - 1", "exponential mean", 115,
        lambda f: f.raw["ema_12"] / f.raw["ema_26"] - 1.0,
    ),
    Feature("rsi_14", "RSI(14) / 100 - 0.5", "Wilder (1978)", 123, lambda f: f.raw["rsi_14"] / 100.0 - 0.5),
    Feature("atr_14_to_close", "ATR(14) / close", "Wilder (1978)", 98, lambda f: f.raw["atr_14"] / f.close),
    Feature(
        "close_to_vwap", "close / VWAP - 1; VWAP of the session's bars, of daily bars that of 20",
        "volume-weighted mean", 19, lambda f: f.close / f.raw["vwap"] - 1.0,
    ),
    Feature(
        "bollinger_width", "4 deviations of 20 closes / their mean", "Bollinger", 19,
        lambda f: (f.raw["bb_upper"] - f.raw["bb_lower"]) / f.raw["bb_middle"],
    ),
    Feature("bollinger_position", "(close - mean of 20 closes) / 4 deviations", "Bollinger", 19, _band_share),
    Feature(
        "macd_line_to_atr", "(EMA(12) - EMA(26)) / ATR(14)", "Appel; Wilder (1978)", 150,
        lambda f: f.raw["macd_line"] / f.raw["atr_14"],
    ),
    Feature(
        "macd_histogram_to_atr", "(MACD line - its EMA(9)) / ATR(14)", "Appel; Wilder (1978)", 150,
        lambda f: f.raw["macd_histogram"] / f.raw["atr_14"],
    ),
    Feature("adx_14", "ADX(14) / 100", "Wilder (1978)", 150, lambda f: f.raw["adx_14"] / 100.0),
    Feature(
        "obv_slope_20", "volume of rises less volume of falls, 20 bars / their volume", "Granville (1963)", 20,
        _obv_slope,
    ),
    *map(_volatility, (20, 60)),
    Feature(
        "volatility_20_to_60", "volatility_20 / volatility_60", "population deviation", 60,
        lambda f: f.volatility_20 / f.volatility_60,
    ),
    Feature(
        "volume_z_20", "(log(1 + volume) - its mean of 20 bars) / its deviation", "z-score", 19, _volume_z
    ),
    Feature("range_to_close", "(high - low) / close", "range", 0, lambda f: (f.high - f.low) / f.close),
)  # fmt: skip
