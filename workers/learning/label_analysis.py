"""Whether a plug-in's label reads bars or side data after its end: measured, not read.

The label is computed again without the bars after random cuts, and with others in their place: of all symbols where it
takes the panel. Side data that became known after the cut are removed and changed as well. A label that ended by then
must be the same, and must end at the same bar.
"""

import time
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import VALUE
from schemas.contract.errors import DataError
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.window import MIN_RANKED_SYMBOLS, WARMUP_BARS
from workers.bars.series import Floats
from workers.features.analysis import Analysis, Panel, axis_of, decided_at, instant_of, poisoned, upto
from workers.learning.plugged_label import BarLabels, PluggedLabel, bar_labels
from workers.scoring.family import LabelValues
from workers.side.joined import NO_SIDE, SideData

# Of labels that are values, between two computations, relative and in their deviations: libraries may add in another
# order where an array is longer. A sum or a deviation that rolls back from the last bar is not 0 to the bit where the
# price stays: on prices of whole units the latter differed by 6e-6 deviations.
VALUE_TOLERANCE = 1e-9
DEVIATION_TOLERANCE = 1e-5


def check_label(
    panel: Panel, label: PluggedLabel, timezone: str, seed: int, plan: Analysis, side: SideData = NO_SIDE
) -> FeatureCheck:
    """Analyse a label on the bars of `panel`: each symbol alone, or all together where it takes the panel.

    `side`: the side data that it reads.
    """
    side = side.only(label.side, panel)
    began = time.perf_counter()
    try:
        whole = bar_labels(label, panel, timezone, side)
    except DataError as error:
        return FeatureCheck(kind="label", name=label.name, faults=(str(error),), notes=(), missing=1.0, seconds=0.0)
    seconds = (time.perf_counter() - began) / len(panel)
    units = [panel] if label.panel else [{symbol: each} for symbol, each in panel.items()]
    beyond = (reads_beyond(each, label, whole, timezone, seed, plan, side) for each in units)
    faults = [sentence for sentence in beyond if sentence][:1]
    values = np.concatenate([each.value for each in whole.values()])
    known = values[np.isfinite(values)]
    few = label.panel and len(panel) < MIN_RANKED_SYMBOLS
    if not len(known):
        faults.append("no bar of these symbols has a label")
    elif np.ptp(known) == 0.0 and not few:
        faults.append(f"it is {known[0]:g} on every bar of these symbols, so there is nothing to learn")
    notes = [_described(known, label)] if len(known) else []
    held = np.concatenate([each.held[np.isfinite(each.value)] for each in whole.values()])
    if len(held) and held.min() < label.horizon_bars:
        notes.append(f"labels end {held.mean():.3g} bars after their bar on average, at most {held.max()}")
    if few:
        notes.append(f"it compares {len(panel)} symbols here; a run needs at least {MIN_RANKED_SYMBOLS}")
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
    panel: Panel, label: PluggedLabel, whole: Mapping[str, BarLabels], timezone: str, seed: int, plan: Analysis,
    side: SideData,
) -> str:  # fmt: skip
    """The first bar found whose label depends on what follows its end, as a sentence; empty if there is none.

    `panel` has the bars that the label takes at once, of one symbol or of all; `whole` the labels of all bars.
    """
    read = "bars and side data" if label.side else "bars"
    rng = np.random.default_rng([seed, len(axis_of(panel))])
    deviation = deviation_of(np.concatenate([whole[symbol].value for symbol in panel]))
    for cut, last, seen, beside, what in _histories(panel, plan, rng, side):
        try:
            again = bar_labels(label, seen, timezone, beside)
        except DataError as error:
            if cut > WARMUP_BARS:
                return f"it fails where the {read} after the first {cut} are {what}: {error}"
            continue
        for symbol, series in panel.items():
            before, now, known = whole[symbol], again[symbol], len(upto(series, last))
            rows = min(len(before.value), len(now.value))
            ends = np.arange(rows) + np.minimum(before.held[:rows], now.held[:rows])
            at = np.flatnonzero((ends < known) & _differ(before, now, rows, deviation))
            if len(at):
                row = int(at[0])
                bar, stop, end = (instant_of(series, each, timezone) for each in (row, known - 1, int(ends[row])))
                return (
                    f"it reads {read} after its end: {symbol} at {bar} is {_shown(before, now, row)} with all {read},"
                    f" and {_shown(now, before, row)} when the {read} after {stop} are {what}; the label ends by {end},"
                    f" with horizon={label.horizon_bars}"
                )
    return ""


def _histories(
    panel: Panel, plan: Analysis, rng: np.random.Generator, side: SideData
) -> Iterator[tuple[int, int, Panel, SideData, str]]:
    """Positions and instants of cuts, and what is left without what follows each, and with something else there."""
    axis = axis_of(panel)
    drawn = rng.integers(2, len(axis), plan.cuts).tolist() if len(axis) > 2 else []
    for cut in [*(each for each in plan.early if each < len(axis)), *drawn]:
        last = int(axis[cut - 1])
        known = {symbol: upto(each, last) for symbol, each in panel.items()}
        decided = decided_at(known, last, side)
        yield cut, last, known, side.known_at(decided), "removed"
        yield cut, last, poisoned(panel, last, rng), side.poisoned(decided, rng), "changed"


def deviation_of(values: Floats) -> float:
    """The deviation of a symbol's or a panel's labels; 0 if none is known."""
    known = values[np.isfinite(values)]
    return float(known.std()) if len(known) else 0.0


def same_values(one: LabelValues, other: LabelValues, deviation: float) -> NDArray[np.bool_]:
    """Whether labels of two computations are the same, shape of both; `deviation` is that of all of them."""
    same: NDArray[np.bool_] = np.isclose(
        one, other, rtol=VALUE_TOLERANCE, atol=DEVIATION_TOLERANCE * deviation, equal_nan=True
    )
    return same


def _differ(one: BarLabels, other: BarLabels, rows: int, deviation: float) -> NDArray[np.bool_]:
    same = same_values(one.value[:rows], other.value[:rows], deviation)
    differ: NDArray[np.bool_] = ~same | (one.held[:rows] != other.held[:rows])
    return differ


def _shown(labels: BarLabels, beside: BarLabels, row: int) -> str:
    """A label's value, with its end where that is another than `beside`."""
    end = f" after {labels.held[row]} bars" if labels.held[row] != beside.held[row] else ""
    return f"{labels.value[row]:.6g}{end}"
