"""Compute a window's features and labels again without later bars of any symbol, and compare."""

from collections.abc import Iterator, Mapping

import numpy as np

from schemas.config.side import SideChoice
from schemas.config.training import TrainingSettings
from workers.bars.series import Ints, Series
from workers.devices.arrays import Array, array_module, take, to_host
from workers.features.analysis import upto
from workers.features.chosen import features_of, names_of, tolerance_of
from workers.features.prefix_invariance import reads_ahead
from workers.learning.history import History, labels_and_used
from workers.learning.label_analysis import deviation_of, same_values
from workers.learning.labels import Labels, labels_of
from workers.side.joined import SideData
from workers.side.store import side_of

# Largest difference of a feature, relative and absolute, between two computations of it on a GPU.
GPU_TOLERANCE = 1e-9


def changed_without_later_bars(
    histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings
) -> list[str]:
    """Return one sentence per feature and symbol that reads a later bar, and per symbol whose labels do.

    `rows` are positions in the labels of each symbol, in order. Features are computed again from the bars up to the
    last decision, labels of ranks and of plug-ins from those up to the last end of a horizon, and side data with them.
    Where labels compare symbols, these are the bars of all symbols.
    """
    found = []
    for symbol, again in _features(histories, rows, settings):
        whole, t0 = histories[symbol].features, histories[symbol].labels.t0[rows[symbol]]
        names = names_of(settings.feature_set)
        tolerance = tolerance_of(names, 0.0 if isinstance(whole, np.ndarray) else GPU_TOLERANCE)
        values = to_host(take(whole, t0)), to_host(take(again, t0))
        found += [f"{symbol}: {each}" for each in reads_ahead(*values, names, tolerance)]
    if settings.label == "rank":
        found += _ranks(histories, rows, settings)
    if settings.label_source is not None:
        found += _labels(histories, rows, settings)
    return found


def _features(
    histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings
) -> Iterator[tuple[str, Array]]:
    """Features of each symbol in `rows`, from no bar after its last decision; own ones of one symbol at a time."""
    first = histories[next(iter(rows))]
    kind, intraday, xp = settings.feature_set, first.intraday, array_module(first.device)
    if not kind.compares:
        for symbol in rows:
            known = {symbol: histories[symbol].series.upto(_decided(histories, rows, symbol) + 1)}
            yield from features_of(known, kind, intraday, xp=xp, side=_known_side(known, kind.side)).items()
        return
    known = _until(first.panel, max(_instant(histories, rows, symbol) for symbol in rows))
    found = features_of(known, kind, intraday, xp=xp, side=_known_side(known, kind.side))
    yield from ((symbol, found[symbol]) for symbol in rows)


def _known_side(bars: Mapping[str, Series], choice: SideChoice | None) -> SideData | None:
    """The side data of a choice that are known at the close of the last of these bars; None without a choice."""
    if choice is None:
        return None
    side = side_of(choice)
    return side.known_at(max(int(side.decisions(each)[-1]) for each in bars.values() if len(each)))


def _instant(histories: Mapping[str, History], rows: Mapping[str, Ints], symbol: str) -> int:
    """When a symbol's last decision was made."""
    return int(histories[symbol].series.timestamp[_decided(histories, rows, symbol)])


def _decided(histories: Mapping[str, History], rows: Mapping[str, Ints], symbol: str) -> int:
    """The bar of a symbol's last decision."""
    return int(histories[symbol].labels.t0[rows[symbol][-1]])


def _labels(histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings) -> list[str]:
    read = "bars and side data" if settings.plugged is not None and settings.plugged.label_side else "bars"
    found = []
    for symbol, again in _labels_again(histories, rows, settings):
        whole, mine = histories[symbol].labels, rows[symbol]
        t0 = whole.t0[mine]
        place = np.minimum(np.searchsorted(again.t0, t0), max(len(again) - 1, 0))
        same = np.zeros(len(mine), dtype=np.bool_)
        if len(again):
            same = again.t0[place] == t0
            same &= same_values(again.y[place], whole.y[mine], deviation_of(whole.y))
            same &= again.t1[place] == whole.t1[mine]
        if not same.all():
            found.append(f"{symbol}: {int((~same).sum())} labels are others without the {read} after their horizon")
    return found


def _labels_again(
    histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings
) -> Iterator[tuple[str, Labels]]:
    """Labels of each symbol in `rows`, from no bar and no side data after the last end of a horizon."""
    ends = {symbol: _decided(histories, rows, symbol) + settings.horizon_bars for symbol in rows}
    choice = settings.plugged.label_side if settings.plugged is not None else None
    if settings.label_compares:
        last = max(int(histories[symbol].series.timestamp[end]) for symbol, end in ends.items())
        known = _until(histories[next(iter(rows))].panel, last)
        again = labels_of(known, settings, _known_side(known, choice))
        yield from ((symbol, again[symbol]) for symbol in rows)
        return
    for symbol, end in ends.items():
        known = {symbol: histories[symbol].series.upto(end + 1)}
        yield from labels_of(known, settings, _known_side(known, choice)).items()


def _ranks(histories: Mapping[str, History], rows: Mapping[str, Ints], settings: TrainingSettings) -> list[str]:
    labels = {symbol: histories[symbol].labels for symbol in rows}
    last = max(int(histories[name].series.timestamp[labels[name].t1[mine[-1]]]) for name, mine in rows.items())
    again = labels_and_used(_until(histories[next(iter(rows))].panel, last), settings)
    found = []
    for symbol, mine in rows.items():
        known, _ = again[symbol]
        place = np.searchsorted(known.t0, labels[symbol].t0[mine])
        changed = int((known.rank[place] != labels[symbol].rank[mine]).sum())
        if changed:
            found.append(f"{symbol}: {changed} labels are others without the bars after their end")
    return found


def _until(panel: Mapping[str, Series], last: int) -> dict[str, Series]:
    return {name: upto(each, last) for name, each in panel.items()}
