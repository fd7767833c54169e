"""Technical indicators over the last axis: causal, float64, on numpy or cupy.

Seeds follow TA-Lib: an exponential mean starts from the simple mean of its first `n` values. The
value at a bar depends only on bars up to it; where it is not defined yet it is NaN.
Sources: Wilder (1978) for RSI, ATR and ADX; Appel for MACD; Bollinger with population deviation.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from workers.devices.arrays import cupy_signal

Array = Any  # numpy.ndarray or cupy.ndarray of float64, time on the last axis


def namespace(x: Array) -> ModuleType:
    """The array module (`numpy` or `cupy`) that `x` belongs to."""
    if isinstance(x, np.ndarray):
        return np
    import cupy

    return cupy  # type: ignore[no-any-return]


def _lfilter(b: list[float], a: list[float], x: Array, zi: Array) -> Array:
    xp = namespace(x)
    if xp is np:
        # A process that serves predictions does not load SciPy, which takes longer than the computation.
        if x.ndim > 1 and "scipy" not in sys.modules:
            return recursion(b[0], -a[1], x, zi)
        import scipy.signal

        return scipy.signal.lfilter(b, a, x, axis=-1, zi=zi)[0]
    # CuPy's state is (past inputs, past outputs): SciPy's zi is -a[1] times the past output.
    past = zi / -a[1]
    return cupy_signal().lfilter(xp.asarray(b), xp.asarray(a), x, axis=-1, zi=past)[0]


def recursion(gain: float, decay: float, x: Array, past: Array) -> Array:
    """y = gain * x + decay * (previous y), shape (symbols, bars), numpy only; `past` is the first bar's second term.

    Computes bar by bar for all symbols at once, in SciPy's order of operations, so with the same bits.
    """
    bars = np.ascontiguousarray((x if gain == 1.0 else gain * x).T)
    result, carried = np.empty_like(bars), past[:, 0].copy()
    for row, out in zip(bars, result, strict=True):
        np.add(carried, row, out=out)
        np.multiply(out, decay, out=carried)
    return result.T


def _leading_nan(x: Array, count: int) -> Array:
    """Prepend `count` NaN on the last axis."""
    xp = namespace(x)
    return xp.concatenate([xp.full((*x.shape[:-1], count), xp.nan), x], axis=-1)


def _rolling(x: Array, n: int, reduce: Callable[[list[Array]], Array]) -> Array:
    """`reduce` of the last `n` bars' values, newest first, one array per age; NaN before bar `n - 1`."""
    bars = x.shape[-1]
    if bars < n:
        return namespace(x).full(x.shape, float("nan"))
    # One order of summation for every bar gives the same bits, however many bars follow.
    return _leading_nan(reduce([x[..., n - 1 - age : bars - age] for age in range(n)]), n - 1)


def _total(ages: list[Array]) -> Array:
    total = ages[0] + ages[1] if len(ages) > 1 else ages[0].copy()
    for values in ages[2:]:
        total += values
    return total


def _deviation(ages: list[Array]) -> Array:
    """Population deviation, computed around the newest value, so that equal values give exactly 0.

    A value is at most sqrt(n - 1) deviations from the mean, which bounds the loss of precision.
    """
    xp = namespace(ages[0])
    newest, n = ages[0], len(ages)
    total, squares = xp.zeros_like(newest), xp.zeros_like(newest)
    for values in ages[1:]:
        distance = values - newest
        total += distance
        distance *= distance
        squares += distance
    mean = total / n
    return xp.sqrt(xp.maximum(squares / n - mean * mean, 0.0))


def sma(x: Array, n: int) -> Array:
    """Simple moving mean of the last `n` bars."""
    return rolling_sum(x, n) / n


def rolling_std(x: Array, n: int) -> Array:
    """Population deviation (ddof 0) of the last `n` bars; exactly 0 where they are all equal."""
    return _rolling(x, n, _deviation)


def rolling_sum(x: Array, n: int) -> Array:
    """Sum of the last `n` bars."""
    return _rolling(x, n, _total)


def _smooth(x: Array, n: int, alpha: float, start: int) -> Array:
    """First-order recursion y += alpha * (x - y) from `start + n - 1`, seeded with the mean of `x[start:start+n]`."""
    xp = namespace(x)
    first = start + n - 1
    if x.shape[-1] <= first:
        return xp.full(x.shape, xp.nan)
    seed = x[..., start : start + n].mean(axis=-1, keepdims=True)
    decay = 1.0 - alpha
    rest = (
        _lfilter([alpha], [1.0, -decay], x[..., first + 1 :], decay * seed) if x.shape[-1] > first + 1 else x[..., :0]
    )
    return _leading_nan(xp.concatenate([seed, rest], axis=-1), first)


def ema(x: Array, n: int, start: int = 0) -> Array:
    """Exponential mean of span `n`, seeded with the simple mean of `x[start:start+n]`."""
    return _smooth(x, n, 2.0 / (n + 1.0), start)


def wilder(x: Array, n: int, start: int = 0) -> Array:
    """Wilder's mean (alpha 1/n), seeded with the simple mean of `x[start:start+n]`."""
    return _smooth(x, n, 1.0 / n, start)


def difference(x: Array, bars: int = 1) -> Array:
    """x[t] - x[t - bars]; NaN at the first `bars` bars."""
    return _leading_nan(x[..., bars:] - x[..., :-bars], min(bars, x.shape[-1]))


def _ratio(numerator: Array, denominator: Array, otherwise: float) -> Array:
    """numerator / denominator; `otherwise` where the denominator is 0, NaN where it is NaN."""
    xp = namespace(numerator)
    zero = denominator == 0
    return xp.where(zero, otherwise, numerator / xp.where(zero, 1.0, denominator))


def rsi(close: Array, n: int = 14) -> Array:
    """Wilder's relative strength index, 0 to 100; 50 on a flat price. First value at bar `n`."""
    xp = namespace(close)
    change = difference(close)
    gain = wilder(xp.maximum(change, 0.0), n, start=1)
    loss = wilder(xp.maximum(-change, 0.0), n, start=1)
    return 100.0 * _ratio(gain, gain + loss, 0.5)


def true_range(high: Array, low: Array, close: Array) -> Array:
    """Largest of high - low and the two distances from the previous close; NaN at the first bar."""
    xp = namespace(close)
    previous = _leading_nan(close[..., :-1], 1)
    return xp.maximum(high - low, xp.maximum(xp.abs(high - previous), xp.abs(low - previous)))


def atr(high: Array, low: Array, close: Array, n: int = 14) -> Array:
    """Wilder's average true range in price units. First value at bar `n`."""
    return wilder(true_range(high, low, close), n, start=1)


def adx(high: Array, low: Array, close: Array, n: int = 14) -> Array:
    """Wilder's average directional index, 0 to 100; 0 without movement. First value at bar `2n - 1`."""
    xp = namespace(close)
    up, down = difference(high), -difference(low)
    plus = _wilder_sum(xp.where((up > down) & (up > 0), up, 0.0 * up), n)
    minus = _wilder_sum(xp.where((down > up) & (down > 0), down, 0.0 * down), n)
    dx = 100.0 * _ratio(xp.abs(plus - minus), plus + minus, 0.0)
    return wilder(dx, n, start=n)


def _wilder_sum(x: Array, n: int) -> Array:
    """Wilder's running sum s += x - s/n: the sum of bars 1..n-1 first, then recursive from bar n (as TA-Lib)."""
    xp = namespace(x)
    if x.shape[-1] <= n:
        return xp.full(x.shape, xp.nan)
    seed = x[..., 1:n].sum(axis=-1, keepdims=True)
    decay = 1.0 - 1.0 / n
    return _leading_nan(_lfilter([1.0], [1.0, -decay], x[..., n:], decay * seed), n)


def bollinger(close: Array, n: int = 20, width: float = 2.0) -> tuple[Array, Array, Array]:
    """Upper, middle and lower band: mean plus and minus `width` population deviations."""
    middle = sma(close, n)
    spread = width * rolling_std(close, n)
    return middle + spread, middle, middle - spread


def macd(close: Array, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Array, Array, Array]:
    """Line, signal and histogram. Both means start on the slow one's first bar, as in TA-Lib."""
    line = ema(close, fast, start=slow - fast) - ema(close, slow)
    signal_line = ema(line, signal, start=slow - 1)
    return line, signal_line, line - signal_line


def obv(close: Array, volume: Array) -> Array:
    """On-balance volume, starting from the first bar's volume (TA-Lib's convention)."""
    xp = namespace(close)
    signed = xp.sign(close[..., 1:] - close[..., :-1]) * volume[..., 1:]
    return xp.cumsum(xp.concatenate([volume[..., :1], signed], axis=-1), axis=-1)


def vwap(high: Array, low: Array, close: Array, volume: Array, n: int = 20) -> Array:
    """Volume-weighted typical price over the last `n` bars; the plain mean where nothing traded."""
    xp = namespace(close)
    typical = (high + low + close) / 3.0
    traded = rolling_sum(volume, n)
    mean = sma(typical, n)
    return xp.where(traded > 0, rolling_sum(typical * volume, n) / xp.where(traded > 0, traded, 1.0), mean)


def session_start(session: Array) -> Array:
    """Position of the first bar of each bar's session; `session` numbers each bar's session, ascending."""
    xp = namespace(session)
    bars = session.shape[-1]
    rows = session.reshape(-1, bars)
    # One ascending row for all symbols: CuPy searches in one dimension only and has no running maximum.
    offset = xp.arange(rows.shape[0]).reshape(-1, 1)
    flat = (rows - rows.min() + offset * (rows.max() - rows.min() + 1)).reshape(-1)
    first = xp.searchsorted(flat, flat, side="left").reshape(rows.shape) - offset * bars
    return first.reshape(session.shape)


def session_vwap(high: Array, low: Array, close: Array, volume: Array, session: Array) -> Array:
    """Volume-weighted typical price since the session's first bar; `session` numbers each bar's session, ascending."""
    xp = namespace(close)
    typical = (high + low + close) / 3.0
    first = session_start(xp.broadcast_to(session, close.shape))
    position = xp.arange(close.shape[-1]) - first
    traded = _session_sum(volume, position)
    # Relative to the session's first price: a sum of whole prices would lose the last digits.
    base = xp.take_along_axis(typical, first, axis=-1)
    moved = _session_sum((typical - base) * volume, position)
    return xp.where(traded > 0, base + moved / xp.where(traded > 0, traded, 1.0), typical)


def _session_sum(x: Array, position: Array) -> Array:
    """Sum of `x` from the session's first bar to each bar; `position` counts the bars of each session from 0.

    Adds sums of 1, 2, 4, ... bars, so other sessions change no bit, and every array module gives the same bits.
    """
    xp = namespace(x)
    total, bars = x.copy(), 1
    while bars <= int(position.max()):
        earlier = xp.where(position[..., bars:] >= bars, total[..., :-bars], 0.0)
        later = total[..., bars:]
        later += earlier
        bars *= 2
    return total
