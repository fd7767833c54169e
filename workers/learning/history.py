"""A symbol's bars, labels and features for all its windows, and the rows that a window may use."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from schemas.config.features import FeatureChoice
from schemas.config.interval import is_intraday
from schemas.config.training import TrainingSettings
from schemas.contract.window import MIN_RANKED_SYMBOLS, WARMUP_BARS, SkipReason, Span, Window
from workers.bars.calendar import day_number
from workers.bars.jumps import jumps
from workers.bars.series import Bools, Floats, Ints, Series
from workers.devices.arrays import Array, array_module, to_host
from workers.features.chosen import features_of
from workers.features.frame import frame_of
from workers.features.indicators import difference
from workers.learning.base_rate import LabelTimes, label_times
from workers.learning.labels import Labels, label, labels_of, uniqueness
from workers.learning.privileged import path
from workers.learning.rank_label import rank_labels
from workers.learning.skip import Skip
from workers.side.joined import SideData

# Symbols whose own features and indicators a process keeps. Those of a larger panel are computed at each use, in 2 ms
# per 2,500 bars: kept, they would take five times the memory of its bars.
CACHED_FEATURES = 64


@dataclass(frozen=True, eq=False)
class History:
    """A symbol's bars and labels, and the features that follow from its bars.

    `used` is false for labels that are left out: the symbol does not belong to the universe at the decision, an
    unexplained jump of prices is in their span, or too few symbols have a label of the same span to rank it.

    `panel` has the bars of every symbol that labels or features were computed from; it is empty if they were computed
    from this symbol's alone.

    `path` has one row per label, and no columns unless the path is a privileged input. `chosen` names the features;
    `symbol` is needed where they read side data.
    `compared` has them where they depend on the panel, else it is None. `kept` features stay in memory.
    """

    series: Series
    labels: Labels
    path: Floats
    used: Bools
    intraday: bool
    device: str
    chosen: FeatureChoice
    kept: bool = True
    symbol: str = ""
    panel: Mapping[str, Series] = field(default_factory=dict)
    compared: Array | None = None

    @property
    def features(self) -> Array:
        """Features, shape (bars, names), on the teacher's device."""
        if self.compared is not None:
            return self.compared
        return (_kept if self.kept else _computed)(self)

    @property
    def returns(self) -> Floats:
        """Log return of each bar, NaN at the first."""
        values: Floats = difference(np.log(self.series.close))
        return values

    @property
    def raw(self) -> dict[str, Floats]:
        """Indicators in price units, one value per bar each."""
        return (_kept_raw if self.kept else _raw)(self)


@dataclass(frozen=True)
class Rows:
    """A window's training rows and scored rows, as positions in the symbol's labels.

    `weight` is the uniqueness of each training row among all labels that are known at the window's end.
    """

    train: Ints
    weight: Floats
    scored: Ints


def prepare_panel(series: Mapping[str, Series], settings: TrainingSettings, device: str = "cpu") -> dict[str, History]:
    """Histories of symbols whose labels or features may depend on each other."""
    kept = len(series) <= CACHED_FEATURES
    labelled = labels_and_used(series, settings)
    histories = {
        symbol: replace(_history(each, *labelled[symbol], settings, device, kept, symbol), panel=series)
        for symbol, each in series.items()
    }
    if settings.feature_set.compares:
        intraday = is_intraday(settings.interval)
        found = features_of(series, settings.feature_set, intraday, xp=array_module(device))
        histories = {symbol: replace(each, compared=found[symbol]) for symbol, each in histories.items()}
    return histories


def _ranked(
    panel: Mapping[str, tuple[Series, Labels, Bools]], settings: TrainingSettings
) -> dict[str, tuple[Labels, Bools]]:
    """Rank labels of each symbol, and which may be used: those of the labels `used` that enough symbols have."""
    decided = [series.timestamp[labels.t0] for series, labels, _ in panel.values()]
    ended = [series.timestamp[labels.t0 + settings.horizon_bars] for series, labels, _ in panel.values()]
    returns = [np.where(used, labels.forward_return, np.nan) for _, labels, used in panel.values()]
    return {
        symbol: (replace(panel[symbol][1], y=ranks.above, rank=ranks.rank), np.isfinite(ranks.rank))
        for symbol, ranks in zip(panel, rank_labels(decided, ended, returns), strict=True)
    }


def prepare(
    series: Series, settings: TrainingSettings, device: str = "cpu", kept: bool = True, symbol: str = ""
) -> History:
    """Label a symbol's bars once, over its whole history; `device` is the teacher's, `kept`, `symbol` as of a History.

    Labels and features that compare symbols depend on the others: see `prepare_panel`.
    """
    labels = label(series, settings, symbol)
    return _history(series, labels, _used(series, labels, settings), settings, device, kept, symbol)


def _history(
    series: Series, labels: Labels, used: Bools, settings: TrainingSettings, device: str, kept: bool, symbol: str
) -> History:
    seen = path(series, labels, settings.horizon_bars) if "path" in settings.privileged else np.empty((len(labels), 0))
    intraday = is_intraday(settings.interval)
    return History(series, labels, seen, used, intraday, device, settings.feature_set, kept, symbol)


def _computed(history: History) -> Array:
    """A symbol's features of its own bars, on its device."""
    xp = array_module(history.device)
    return features_of({history.symbol: history.series}, history.chosen, history.intraday, xp=xp)[history.symbol]


def _raw(history: History) -> dict[str, Floats]:
    """A symbol's indicators, on the host."""
    frame = frame_of(history.series, history.intraday, xp=array_module(history.device))
    return {name: to_host(values) for name, values in frame.raw.items()}


_kept = lru_cache(maxsize=CACHED_FEATURES)(_computed)
_kept_raw = lru_cache(maxsize=CACHED_FEATURES)(_raw)


def _used(series: Series, labels: Labels, settings: TrainingSettings) -> Bools:
    """Labels that a member decides, without an unexplained jump of prices up to their horizon's end unless kept."""
    decided: Bools = series.member[labels.t0]
    if settings.keep_jumps:
        return decided
    before = np.concatenate([[0], np.cumsum(np.bincount(jumps(series), minlength=len(series)))])
    spans: Bools = before[labels.t0 + settings.horizon_bars + 1] == before[labels.t0 + 1]
    return decided & spans


def times_of(series: Series, settings: TrainingSettings, symbol: str = "") -> LabelTimes:
    """Labels of a symbol for its base rate, without its features. Labels that compare symbols: see `times_of_panel`."""
    labels = label(series, settings, symbol)
    return label_times(series, labels, _used(series, labels, settings), settings)


def labels_and_used(
    series: Mapping[str, Series], settings: TrainingSettings, side: SideData | None = None
) -> dict[str, tuple[Labels, Bools]]:
    """Labels of each symbol, also those that compare symbols, and which may be used; `side` as of `labels_of`."""
    labels = labels_of(series, settings, side)
    found = {symbol: (labels[symbol], _used(each, labels[symbol], settings)) for symbol, each in series.items()}
    if settings.label != "rank":
        return found
    return _ranked({symbol: (each, *found[symbol]) for symbol, each in series.items()}, settings)


def times_of_panel(series: Mapping[str, Series], settings: TrainingSettings) -> dict[str, LabelTimes]:
    """Labels that compare symbols, of each for its base rate, without its features."""
    found = labels_and_used(series, settings)
    return {symbol: label_times(each, *found[symbol], settings) for symbol, each in series.items()}


def bars_before(series: Series, span: Span) -> int:
    """Number of bars of days before the span's end: those that its teacher may use."""
    return int(np.searchsorted(series.session, day_number(span.end)))


def select_rows(history: History, window: Window, settings: TrainingSettings) -> Rows:
    """Rows to train on: decided inside the lookback, the whole horizon ended an embargo before the bars of `end` begin.

    To score: decided in `[end, score_end)`, with a horizon that ends before `labels_before`. Both are warmed up. Raises
    Skip with the first reason that holds.
    """
    session = history.series.session
    start, end, score_end = map(day_number, (window.start, window.end, window.score_end))
    t0 = history.labels.t0
    decided, known = session[t0], _known(history, window, settings)
    inside, warm = decided[known] >= start, t0[known] >= WARMUP_BARS
    own = inside & warm
    scored = np.flatnonzero((decided >= end) & (decided < score_end) & (t0 >= WARMUP_BARS) & history.used)
    if window.labels_before is not None:
        scored = scored[session[t0[scored] + settings.horizon_bars] < day_number(window.labels_before)]
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
        ranked = f"; a rank label needs {MIN_RANKED_SYMBOLS} symbols of one span" if settings.label == "rank" else ""
        detail = f"{own.sum()} labelled rows, {settings.min_rows} needed{ranked}"
        raise Skip(SkipReason.INSUFFICIENT_SAMPLES, detail)
    if not len(scored):
        ranks = f" and {MIN_RANKED_SYMBOLS} symbols to rank" if settings.label == "rank" else ""
        whole = ranks if history.used.all() else f"{ranks} without an unexplained jump of prices"
        whole += "" if history.series.member.all() else " and belongs to the universe"
        detail = f"no bar from {window.end} on has {settings.horizon_bars} bars after it{whole}"
        raise Skip(SkipReason.INSUFFICIENT_FUTURE_DATA, detail)
    return replace(learned_rows(history, window, settings), scored=scored)


def learned_rows(history: History, window: Window, settings: TrainingSettings) -> Rows:
    """The rows to train on alone, as of `select_rows`, also where they are too few for a window of their own."""
    known, first = _known(history, window, settings), day_number(settings.first_day_learned(window.start, window.end))
    labels = history.labels
    learned = (history.series.session[labels.t0[known]] >= first) & (labels.t0[known] >= WARMUP_BARS)
    weight = uniqueness(labels.t0[known], labels.t1[known])[learned]
    return Rows(known[learned], weight, np.empty(0, dtype=np.int64))


def _known(history: History, window: Window, settings: TrainingSettings) -> Ints:
    """Positions of the labels that may be used and are known an embargo before the window's end.

    The whole horizon counts even where a barrier was met earlier; otherwise labels that ended early are favoured.
    """
    reach = settings.horizon_bars + settings.embargo_bars
    return np.flatnonzero((history.labels.t0 + reach < bars_before(history.series, window)) & history.used)
