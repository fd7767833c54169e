# mypy: ignore-errors
"""Features as people write them: those that read later bars, and those that do not."""

import numpy as np
import pandas as pd

import gurukul as gk


def leaking(function):
    """Register a feature that must be refused."""
    side = "flows" if function.__name__.endswith("flow") else ()
    return gk.feature(warmup="all", name=f"leaking_{function.__name__}", side=side)(function)


def honest(warmup, panel=False, side=()):
    """Register a feature that must be accepted."""
    return lambda function: gk.feature(
        warmup=warmup, panel=panel, name=f"honest_{function.__name__}", side=side
    )(function)  # fmt: skip


@leaking
def centred_mean(bars):
    return bars["close"] / bars["close"].rolling(21, center=True).mean() - 1


@leaking
def tomorrow(bars):
    return bars["close"].shift(-1) / bars["close"] - 1


@leaking
def own_label(bars):
    return (bars["close"].shift(-5) / bars["open"].shift(-1) > 1.02).astype(float)


@leaking
def whole_z_score(bars):
    return (bars["close"] - bars["close"].mean()) / bars["close"].std()


@leaking
def min_max_scaled(bars):
    return (bars["volume"] - bars["volume"].min()) / (bars["volume"].max() - bars["volume"].min())


@leaking
def backfilled(bars):
    return bars["close"].rolling(20).mean().bfill() / bars["close"]


@leaking
def interpolated(bars):
    return bars["close"].where(bars.index.dayofweek != 2).interpolate() / bars["close"]


@leaking
def whole_rank(bars):
    return bars["close"].rank(pct=True)


@leaking
def whole_quantile(bars):
    return pd.qcut(bars["volume"], 5, labels=False, duplicates="drop")


@leaking
def days_close(bars):
    close = bars["close"].groupby([bars.index.year, bars.index.month]).transform("last")
    return bars["close"] / close - 1


@leaking
def weeks_close(bars):
    weekly = bars["close"].resample("W-FRI", label="left").last()
    return bars["close"] / weekly.reindex(bars.index, method="ffill") - 1


@leaking
def months_high(bars):
    return bars["high"] / bars["high"].groupby(bars.index.to_period("M").astype(str)).transform("max")


@leaking
def filtered_both_ways(bars):
    from scipy.signal import butter, filtfilt

    return filtfilt(*butter(2, 0.1), np.log(bars["close"])) - np.log(bars["close"])


@leaking
def smoothed(bars):
    return np.convolve(bars["close"], np.ones(9) / 9, mode="same") / bars["close"]


@leaking
def savitzky_golay(bars):
    from scipy.signal import savgol_filter

    return savgol_filter(bars["close"], 11, 2) / bars["close"]


@leaking
def detrended(bars):
    line = np.polyfit(np.arange(len(bars)), np.log(bars["close"]), 1)
    return np.log(bars["close"]) - np.polyval(line, np.arange(len(bars)))


@leaking
def reversed_mean(bars):
    return bars["close"][::-1].rolling(10).mean()[::-1] / bars["close"]


@leaking
def next_high(bars):
    return bars["high"].rolling(5).max().shift(-4) / bars["close"] - 1


@leaking
def drawdown_to_come(bars):
    return bars["low"][::-1].cummin()[::-1] / bars["close"] - 1


@leaking
def principal_part(bars):
    returns = np.nan_to_num(np.log(bars["close"]).diff())
    lagged = np.column_stack([np.roll(returns, lag) for lag in range(5)])
    return np.linalg.svd(lagged - lagged.mean(axis=0), full_matrices=False)[0][:, 0]


@honest(20)
def rolling_mean(bars):
    return bars["close"] / bars["close"].rolling(20).mean() - 1


@honest(60)
def gap_to_high(bars):
    return bars["close"] / bars["high"].rolling(60).max() - 1


@honest(150)
def exponential(bars):
    return bars["close"] / bars["close"].ewm(span=20, adjust=False).mean() - 1


@honest("all")
def expanding_z(bars):
    return (bars["close"] - bars["close"].expanding().mean()) / bars["close"].expanding().std()


@honest("all")
def fall_from_peak(bars):
    return bars["close"] / bars["close"].cummax() - 1


@honest("all")
def last_week(bars):
    weekly = bars["close"].resample("W-FRI").last().shift(1)
    return bars["close"] / weekly.reindex(bars.index, method="ffill") - 1


@honest(60)
def month_so_far(bars):
    first = bars["open"].groupby([bars.index.year, bars.index.month]).transform("first")
    return bars["close"] / first - 1


@honest(6)
def lagged(bars):
    return bars["close"].shift(1) / bars["close"].shift(6) - 1


@honest(40)
def rolling_rank(bars):
    return bars["volume"].rolling(40).rank(pct=True)


@honest(1)
def filled_forward(bars):
    return bars["volume"].where(bars["volume"] > 0).ffill() / (bars["volume"] + bars["volume"].shift(1).fillna(1.0))


@honest(50)
def rolling_slope(bars):
    t = np.arange(50) - 24.5
    return np.log(bars["close"]).rolling(50).apply(lambda y: (t * y).sum() / (t * t).sum(), raw=True)


@honest("all")
def filtered_forward(bars):
    from scipy.signal import butter, lfilter

    return lfilter(*butter(2, 0.1), np.log(bars["close"]) - np.log(bars["close"].iloc[0]))


@honest(0)
def day_of_week(bars):
    return np.cos(2 * np.pi * bars.index.dayofweek / 5)


@honest(0)
def body(bars):
    return (bars["close"] - bars["open"]) / (bars["high"] - bars["low"])


@honest(30)
def correlation(bars):
    return bars["close"].pct_change().rolling(30).corr(bars["volume"].pct_change())


@honest(21)
def window_view(bars):
    returns = np.log(bars["close"]).diff().to_numpy()
    result = np.full(len(bars), np.nan)
    if len(bars) > 20:
        result[20:] = np.sort(np.lib.stride_tricks.sliding_window_view(returns, 21), axis=1)[:, 2]
    return result


@honest(20)
def high_in_steps(bars):
    result = np.full(len(bars), np.nan)
    highs = bars["high"].to_numpy()
    for row in range(19, len(bars)):
        result[row] = np.argmax(highs[row - 19 : row + 1]) / 19
    return result


@honest(1, panel=True)
def beside_market(bars):
    moved = bars["close"].pct_change(fill_method=None)
    return moved.sub(moved.mean(axis=1), axis=0)


@honest(20, panel=True)
def rank_of_momentum(bars):
    return bars["close"].pct_change(20, fill_method=None).rank(axis=1, pct=True)


@honest(10)
def exponential_of_few(bars):
    weights = 0.5 ** np.arange(10)[::-1]
    return bars["close"].rolling(10).apply(lambda x: (x * weights).sum() / weights.sum(), raw=True) / bars["close"]


@leaking
def tomorrows_flow(bars, side):
    return side["flows"]["net"].shift(-1)


@leaking
def whole_z_score_of_flow(bars, side):
    return (side["flows"]["net"] - side["flows"]["net"].mean()) / side["flows"]["net"].std()


@honest(0, side="flows")
def lagged_flow(bars, side):
    return side["flows"]["net"]


@honest(19, side="flows")
def mean_flow(bars, side):
    return side["flows"]["net"].rolling(20).mean()


@honest(1, side=["earnings", "flows"])
def yield_beside_flow(bars, side):
    return side["earnings"]["eps"] / bars["close"] * np.sign(side["flows"]["net"].diff())


@honest(0, panel=True, side=["earnings", "flows"])
def rank_of_yield(bars, side):
    ranks = (side["earnings"]["eps"] / bars["close"]).rank(axis=1, pct=True)
    return ranks.mul(np.sign(side["flows"]["net"]), axis=0)
