"""Whether a plug-in's label reads bars after its end: measured, not read.

The label is computed again without the bars after random cuts, and with others in their place. A label that ended by
then must be the same, and must end at the same bar.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import VALUE
from schemas.contract.errors import DataError
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Floats, Series
from workers.features.analysis import Analysis, Panel, instant_of, poisoned
from workers.learning.plugged_label import BarLabels, PluggedLabel, bar_labels

# Of labels that are values, between two computations: libraries may add in another order where an array is longer.
VALUE_TOLERANCE = 1e-9


def check_label(panel: Panel, label: PluggedLabel, timezone: str, seed: int, plan: Analysis) -> FeatureCheck:
    """Analyse a label on the bars of each symbol of `panel`."""
    began = time.perf_counter()
    try:
        whole = {symbol: bar_labels(label, each, timezone, symbol) for symbol, each in panel.items()}
    except DataError as error:
        return FeatureCheck(kind="label", name=label.name, faults=(str(error),), notes=(), missing=1.0, seconds=0.0)
    seconds = (time.perf_counter() - began) / len(panel)
    beyond = (
        reads_beyond(symbol, panel[symbol], label, found, timezone, seed, plan) for symbol, found in whole.items()
    )
    faults = [sentence for sentence in beyond if sentence][:1]
    values = np.concatenate([each.value for each in whole.values()])
    known = values[np.isfinite(values)]
    if not len(known):
        faults.append("no bar of these symbols has a label")
    elif np.ptp(known) == 0.0:
        faults.append(f"it is {known[0]:g} on every bar of these symbols, so there is nothing to learn")
    notes = [_described(known, label)] if len(known) else []
    held = np.concatenate([each.held[np.isfinite(each.value)] for each in whole.values()])
    if len(held) and held.min() < label.horizon_bars:
        notes.append(f"labels end {held.mean():.3g} bars after their bar on average, at most {held.max()}")
    missing = 1.0 - len(known) / len(values) if len(values) else 1.0
    return FeatureCheck(
        kind="label", name=label.name, faults=tuple(faults), notes=tuple(notes), missing=missing, seconds=seconds
    )


def _described(known: Floats, label: PluggedLabel) -> str:
    """What the labels are on average."""
    if label.target == VALUE:
        return f"{len(known)} labels have the mean {known.mean():.3g} and the deviation {known.std():.3g}"
    return f"{known.mean() * 100:.3g} % of {len(known)} labels are 1"


def reads_beyond(
    symbol: str, series: Series, label: PluggedLabel, whole: BarLabels, timezone: str, seed: int, plan: Analysis
) -> str:
    """The first bar found whose label depends on bars after its end, as a sentence; empty if there is none.

    `whole` has the labels of all bars.
    """
    for cut, seen, what in _histories(series, plan, np.random.default_rng([seed, len(series)])):
        try:
            again = bar_labels(label, seen, timezone, symbol)
        except DataError as error:
            if cut > WARMUP_BARS:
                return f"it fails where the bars after the first {cut} are {what}: {error}"
            continue
        rows = min(len(whole.value), len(again.value))
        ends = np.arange(rows) + np.minimum(whole.held[:rows], again.held[:rows])
        at = np.flatnonzero((ends < cut) & _differ(whole, again, rows))
        if len(at):
            row = int(at[0])
            bar, last, end = (instant_of(series, each, timezone) for each in (row, cut - 1, int(ends[row])))
            return (
                f"it reads bars after its end: {symbol} at {bar} is {_shown(whole, again, row)} with all bars, and"
                f" {_shown(again, whole, row)} when the bars after {last} are {what}; the label ends by {end}, with"
                f" horizon={label.horizon_bars}"
            )
    return ""


def _histories(series: Series, plan: Analysis, rng: np.random.Generator) -> Iterator[tuple[int, Series, str]]:
    """Positions of cuts, and the bars of a symbol without those after each, and with others in their place."""
    drawn = rng.integers(2, len(series), plan.cuts).tolist() if len(series) > 2 else []
    for cut in [*(each for each in plan.early if each < len(series)), *drawn]:
        yield cut, series.upto(cut), "removed"
        yield cut, poisoned({"": series}, int(series.timestamp[cut - 1]), rng)[""], "changed"


def _differ(one: BarLabels, other: BarLabels, rows: int) -> NDArray[np.bool_]:
    same = np.isclose(one.value[:rows], other.value[:rows], rtol=VALUE_TOLERANCE, atol=0.0, equal_nan=True)
    differ: NDArray[np.bool_] = ~same | (one.held[:rows] != other.held[:rows])
    return differ


def _shown(labels: BarLabels, beside: BarLabels, row: int) -> str:
    """A label's value, with its end where that is another than `beside`."""
    end = f" after {labels.held[row]} bars" if labels.held[row] != beside.held[row] else ""
    return f"{labels.value[row]:.6g}{end}"
