"""Inputs of students whose features compare a symbol with the panel of its run."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from schemas.config.features import FeatureChoice
from schemas.contract.errors import DataError
from schemas.contract.window import MIN_RANKED_SYMBOLS, WARMUP_BARS
from workers.bars.series import Floats, Series
from workers.features.chosen import names_of
from workers.serving.features import Beside, newest_cross_section
from workers.serving.instants import instant
from workers.side.joined import SideData

SHOWN = 3
NO_BARS = Series(*(np.empty(0, dtype=np.int64),) * 2, *(np.empty(0),) * 5)


def panel_inputs(
    bars: Sequence[tuple[str, int]], panel: Mapping[str, Series], intraday: bool, chosen: FeatureChoice,
    side: SideData | None = None,
) -> Floats:  # fmt: skip
    """Features of each of `bars`, a symbol of the panel and the instant of one of its bars, shape (bars, names).

    `panel` has the bars of every symbol of the run; of a symbol that has none here, no bars. `side`: see Beside.
    """
    names = sorted(panel)
    result = np.empty((len(bars), len(names_of(chosen))))
    for at in {each for _, each in bars}:
        found = newest_cross_section([_until(panel[name], at) for name in names], intraday, chosen, Beside(names, side))
        for row, (symbol, instant_of_row) in enumerate(bars):
            if instant_of_row == at:
                result[row] = found[names.index(symbol)]
    return result


def refuse_few(symbol: str, at: int, panel: Mapping[str, Series], belongs: Callable[[str], bool]) -> None:
    """DataError unless `symbol` is of the panel, and enough of those that belong have the bar `at` to compare it with.

    With less than half of them, or fewer than MIN_RANKED_SYMBOLS, it is not what the student learned from.
    """
    if symbol not in panel:
        raise DataError(f"it is not one of the {len(panel)} symbols that its release compares with each other")
    known = {name: _until(each, at) for name, each in panel.items() if belongs(name)}
    lacking = [name for name, each in known.items() if len(each) <= WARMUP_BARS or each.timestamp[-1] != at]
    needed, there = max(MIN_RANKED_SYMBOLS, -(-len(known) // 2)), len(known) - len(lacking)
    if there < needed:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        missing = f"; missing: {', '.join(lacking[:SHOWN])}{more}" if lacking else ""
        raise DataError(
            f"too few to compare it with: {there} of the {len(known)} symbols of its panel have a bar of {instant(at)}"
            f" and {WARMUP_BARS} before it, {needed} are needed{missing}"
        )


def _until(series: Series, at: int) -> Series:
    return series.upto(int(np.searchsorted(series.timestamp, at, side="right")))
