"""A symbol's bars, features and labels, computed once for all its windows, and the rows that a window may use."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.config.interval import is_intraday
from schemas.config.training import TrainingSettings
from schemas.contract.window import WARMUP_BARS, SkipReason, Span, Window
from workers.bars.calendar import day_number
from workers.bars.jumps import jumps
from workers.bars.series import Floats, Ints, Series
from workers.devices.arrays import Array, array_module, to_host
from workers.features.frame import frame_of
from workers.features.registry import model_features
from workers.learning.base_rate import LabelTimes, label_times
from workers.learning.labels import Labels, label, uniqueness
from workers.learning.privileged import path
from workers.learning.skip import Skip


@dataclass(frozen=True)
class History:
    """A symbol's bars, indicators, features and labels.

    `used` is false for labels that are left out because an unexplained jump of prices is in their span.

    `raw` and `features` have one value per bar, `features` on the teacher's device; `path` has one row per label, and
    no columns unless the path is a privileged input.
    """

    series: Series
    raw: dict[str, Floats]
    features: Array
    labels: Labels
    path: Floats
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """A window's training rows and scored rows, as positions in the symbol's labels.

    `weight` is the uniqueness of each training row among all labels that are known at the window's end.
    """

    train: Ints
    weight: Floats
    scored: Ints


def prepare(series: Series, settings: TrainingSettings, device: str = "cpu") -> History:
    """Compute a symbol's indicators, features and labels once, over its whole history."""
    frame = frame_of(series, intraday=is_intraday(settings.interval), xp=array_module(device))
    labels = label(series, settings)
    seen = path(series, labels, settings.horizon_bars) if "path" in settings.privileged else np.empty((len(labels), 0))
    raw = {name: to_host(values) for name, values in frame.raw.items()}
    return History(series, raw, model_features(frame), labels, seen, _used(series, labels, settings))


def _used(series: Series, labels: Labels, settings: TrainingSettings) -> NDArray[np.bool_]:
    """Labels without an unexplained jump of prices between their decision and their horizon's end; all if kept."""
    if settings.keep_jumps:
        return np.ones(len(labels), dtype=np.bool_)
    before = np.concatenate([[0], np.cumsum(np.bincount(jumps(series), minlength=len(series)))])
    spans: NDArray[np.bool_] = before[labels.t0 + settings.horizon_bars + 1] == before[labels.t0 + 1]
    return spans


def times_of(series: Series, settings: TrainingSettings) -> LabelTimes:
    """Labels of a symbol for its base rate, without its features."""
    labels = label(series, settings)
    return label_times(series, labels, _used(series, labels, settings), settings)


def bars_before(series: Series, span: Span) -> int:
    """Number of bars of days before the span's end: those that its teacher may use."""
    return int(np.searchsorted(series.session, day_number(span.end)))


def select_rows(history: History, window: Window, settings: TrainingSettings) -> Rows:
    """Rows to train on: decided inside the lookback, the whole horizon ended an embargo before the bars of `end` begin.

    To score: decided in `[end, score_end)`. Both are warmed up. Raises Skip with the first reason that holds.
    """
    session = history.series.session
    start, end, score_end = map(day_number, (window.start, window.end, window.score_end))
    first = day_number(settings.first_day_learned(window.start, window.end))
    labels, t0 = history.labels, history.labels.t0
    decided = session[t0]
    # The whole horizon counts even where a barrier was met earlier; otherwise labels that ended early are favoured.
    ended = t0 + settings.horizon_bars + settings.embargo_bars < bars_before(history.series, window)
    known = np.flatnonzero(ended & history.used)
    inside, warm = decided[known] >= start, t0[known] >= WARMUP_BARS
    own = inside & warm
    learned = (decided[known] >= first) & warm
    train, weight = known[learned], uniqueness(labels.t0[known], labels.t1[known])[learned]
    scored = np.flatnonzero((decided >= end) & (decided < score_end) & (t0 >= WARMUP_BARS) & history.used)
    if not ((session >= start) & (session < end)).any():
        raise Skip(SkipReason.NO_DATA, f"no bars from {window.start} to {window.end}")
    # Whatever the lookback, a window is trained for its own days: one with few of them is left to the next.
    if own.sum() < settings.min_rows:
        if inside.sum() >= settings.min_rows:
            detail = (
                f"{inside.sum() - own.sum()} rows lack {WARMUP_BARS} bars of history; {own.sum()} left,"
                f" {settings.min_rows} needed"
            )
            raise Skip(SkipReason.INSUFFICIENT_HISTORY, detail)
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, f"{own.sum()} labelled rows, {settings.min_rows} needed")
    if not len(scored):
        whole = "" if history.used.all() else " without an unexplained jump of prices"
        detail = f"no bar from {window.end} on has {settings.horizon_bars} bars after it{whole}"
        raise Skip(SkipReason.INSUFFICIENT_FUTURE_DATA, detail)
    return Rows(train, weight, scored)
