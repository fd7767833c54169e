"""Features of the newest bar of many symbols at once, bit for bit equal to those of training.

Recursive indicators depend on the whole history, so they are computed over all of it; the others look back a few
bars, so they are computed over the tail of each history.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Floats, Ints, Series
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.features.frame import BARS, Frame, recursive_indicators, seed_indicators
from workers.features.registry import feature_names, model_features

# A larger batch leaves the cache; in a smaller one the overhead per bar dominates.
BATCH = 250
PROBE_BARS = 240


def newest_features(series: Sequence[Series], intraday: bool) -> Floats:
    """Features of the last bar of each history, shape (histories, features); NaN where undefined.

    Each needs more than WARMUP_BARS bars: below that a feature still depends on where its history began.
    """
    result = np.empty((len(series), len(feature_names())))
    for batch in _batches(series):
        result[batch] = _newest([series[place] for place in batch], intraday)
    return result


def probe() -> Floats:
    """Features of the last of some bars made by a formula, to compare the features of two programs."""
    bar = np.arange(PROBE_BARS)
    close = 100.0 + 8.0 * np.sin(0.37 * bar) + 0.03 * bar
    opening = close + np.cos(1.3 * bar)
    session = 19_000 + bar
    made = Series(
        timestamp=session * MICROSECONDS_PER_DAY,
        session=session,
        open=opening,
        high=np.maximum(opening, close) + 1.0,
        low=np.minimum(opening, close) - 1.0,
        close=close,
        volume=(1000 + bar * 7919 % 997).astype(np.float64),
    )
    result: Floats = newest_features([made], intraday=False)[0]
    return result


def _batches(series: Sequence[Series]) -> Iterator[Ints]:
    """Positions in batches of BATCH, histories of similar length together, as shorter ones are padded."""
    order = np.argsort([len(each) for each in series], kind="stable")
    yield from (order[start : start + BATCH] for start in range(0, len(order), BATCH))


def _newest(series: list[Series], intraday: bool) -> Floats:
    lengths = np.array([len(each) for each in series])
    filled = [_filled(each, int(lengths.max())) for each in series]
    bars = {name: np.stack([getattr(each, name) for each in filled]) for name in BARS}
    depth = WARMUP_BARS + 1
    if intraday:
        # The position in the session is counted from its first bar.
        depth = max(depth, *(len(each) - int(np.searchsorted(each.session, each.session[-1])) for each in series))
    at = np.maximum(lengths[:, None] - depth + np.arange(depth), 0)

    def tails(arrays: dict[str, Floats]) -> dict[str, Floats]:
        return {name: np.take_along_axis(values, at, axis=-1) for name, values in arrays.items()}

    newest = tails(bars)
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = seed_indicators(**_inputs(newest, intraday)) | tails(recursive_indicators(**_inputs(bars, intraday)))
    result: Floats = model_features(Frame(**newest, intraday=intraday, raw=raw))[:, -1]
    return result


def _inputs(bars: dict[str, Floats], intraday: bool) -> dict[str, Any]:
    inputs: dict[str, Any] = {name: bars[name] for name in ("high", "low", "close", "volume")}
    return inputs | {"session": bars["session"] if intraday else None}


def _filled(series: Series, bars: int) -> Series:
    """A history padded to `bars` with its last bar; no earlier value depends on what follows."""
    missing = bars - len(series)
    if not missing:
        return series
    return Series(*(np.concatenate([values, np.repeat(values[-1:], missing)]) for values in vars(series).values()))
