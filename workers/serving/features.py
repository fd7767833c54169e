"""Features of the newest bar of many symbols at once, bit for bit equal to those of training.

Recursive indicators depend on the whole history, so they are computed over all of it; the others look back a few
bars, so they are computed over the tail of each history.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.config.features import CROSS_SECTION_FEATURES, OWN_FEATURES, FeatureChoice
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Floats, Ints, Series
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.features.chosen import names_of, split_columns
from workers.features.cross_section import BETA_BARS, cross_section
from workers.features.frame import BARS, Frame, recursive_indicators, seed_indicators
from workers.features.indicators import difference
from workers.features.plugged import features_here, plugged_features
from workers.features.registry import FEATURES, model_features
from workers.side.joined import NO_SIDE, SideData
from workers.side.store import side_of
from workers.side.table import SHARED, SideTable, Values

# A larger batch leaves the cache; in a smaller one the overhead per bar dominates.
BATCH = 250
PROBE_BARS = 240
PROBE_SYMBOLS = 7


@dataclass(frozen=True)
class Beside:
    """What features read beside bars: the symbol of each history, and side data; the stored ones if None."""

    symbols: Sequence[str] = ()
    side: SideData | None = None

    def of(self, row: int) -> str:
        """The symbol of a history; empty if none is given."""
        return self.symbols[row] if self.symbols else ""


NOTHING = Beside()


def newest_features(
    series: Sequence[Series], intraday: bool, chosen: FeatureChoice = OWN_FEATURES, beside: Beside = NOTHING
) -> Floats:
    """Features of the last bar of each history, shape (histories, features); NaN where undefined.

    Each needs more than WARMUP_BARS bars: below that a feature still depends on where its history began.
    """
    return _own(series, names_of(chosen), intraday, chosen, beside)


def _own(
    series: Sequence[Series], names: Sequence[str], intraday: bool, chosen: FeatureChoice, beside: Beside
) -> Floats:
    """Features of the last bar of each history that read no other history, shape (histories, names)."""
    result = np.empty((len(series), len(names)))
    built_in = [name for name in names if name in FEATURES]
    others = [name for name in names if name not in FEATURES]
    if built_in:
        places = [names.index(name) for name in built_in]
        for batch in _batches(series):
            result[np.ix_(batch, np.array(places))] = _newest([series[place] for place in batch], intraday, built_in)
    if others and chosen.plugged is not None:
        # A function of a plug-in may look back any number of bars, so it sees all of them.
        places = [names.index(name) for name in others]
        side = side_of(chosen.plugged.side) if beside.side is None else beside.side
        for row, each in enumerate(series):
            symbol = beside.of(row)
            result[row, places] = plugged_features({symbol: each}, others, chosen.plugged.timezone, side)[symbol][-1]
    return result


def newest_cross_section(
    panel: Sequence[Series], intraday: bool, chosen: FeatureChoice = CROSS_SECTION_FEATURES, beside: Beside = NOTHING
) -> Floats:
    """Features of the panel's newest bar that compare its symbols, shape (symbols, names).

    `panel` has a history per symbol, in the order of training. A row is NaN where a history does not reach the newest
    bar, is empty, or has no more than WARMUP_BARS bars.
    """
    columns = names_of(chosen)
    newest = max(int(each.timestamp[-1]) for each in panel if len(each))
    there = [place for place, each in enumerate(panel) if len(each) > WARMUP_BARS and int(each.timestamp[-1]) == newest]
    result = np.full((len(panel), len(columns)), np.nan)
    if not there:
        return result
    ranked, plain, inputs = split_columns(columns)
    own = _newest_own(panel, there, inputs, intraday, chosen, beside)
    for name in plain:
        result[there, columns.index(name)] = own[:, inputs.index(name)]
    if ranked:
        places = [columns.index(name) for name in ranked]
        result[np.ix_(np.array(there), np.array(places))] = _newest_compared(panel, there, own, inputs, ranked)
    return result


def _newest_own(
    panel: Sequence[Series], there: Sequence[int], names: Sequence[str], intraday: bool, chosen: FeatureChoice,
    beside: Beside,
) -> Floats:  # fmt: skip
    """Features of the newest bar of those symbols that are `there`, before they are compared, shape (there, names)."""
    on_panel = [name for name in names if name not in FEATURES and features_here()[name].panel]
    alone = [name for name in names if name not in on_panel]
    result = np.empty((len(there), len(names)))
    if alone:
        places = [names.index(name) for name in alone]
        mine = Beside([beside.of(place) for place in there], beside.side)
        result[:, places] = _own([panel[place] for place in there], alone, intraday, chosen, mine)
    if on_panel and chosen.plugged is not None:
        side = side_of(chosen.plugged.side) if beside.side is None else beside.side
        symbols = [beside.of(place) or str(place) for place in range(len(panel))]
        series = dict(zip(symbols, panel, strict=True))
        found = plugged_features(series, on_panel, chosen.plugged.timezone, side)
        result[:, [names.index(name) for name in on_panel]] = [found[symbols[place]][-1] for place in there]
    return result


def _newest_compared(
    panel: Sequence[Series], there: Sequence[int], own: Floats, inputs: Sequence[str], ranked: Sequence[str]
) -> Floats:
    """Cross-sectional features of the newest bar from those of each symbol, shape (there, ranked)."""
    # Beta alone looks back: over returns of the last BETA_BARS bars of a symbol, and the panel's on the same bars.
    first = min(int(panel[place].timestamp[-BETA_BARS]) for place in there)
    earlier = [int(np.searchsorted(each.timestamp, first)) for each in panel]
    columns = [np.full((len(each) - skip, len(inputs)), np.nan) for each, skip in zip(panel, earlier, strict=True)]
    if "return_1" in inputs:
        for each, skip, column in zip(panel, earlier, columns, strict=True):
            column[:, inputs.index("return_1")] = difference(np.log(each.close))[skip:]
    for place, values in zip(there, own, strict=True):
        columns[place][-1] = values
    instants = [each.timestamp[skip:] for each, skip in zip(panel, earlier, strict=True)]
    members = [each.member[skip:] for each, skip in zip(panel, earlier, strict=True)]
    found = cross_section(instants, columns, earlier, inputs, ranked, members)
    return np.stack([found[place][-1] for place in there])


def probe(chosen: FeatureChoice) -> Floats:
    """Features of the last of some bars made by a formula, to compare the features of two programs."""
    symbols = [str(number) for number in range(PROBE_SYMBOLS if chosen.compares else 1)]
    series = [_made(number) for number in range(len(symbols))]
    beside = Beside(symbols, _made_side(chosen, symbols, series[0]))
    newest = newest_cross_section if chosen.compares else newest_features
    found = newest(series, False, chosen, beside)
    result: Floats = found[0]
    return result


def _made(number: int) -> Series:
    bar = np.arange(PROBE_BARS) + 1_000 * number
    close = 100.0 + 8.0 * np.sin(0.37 * bar) + 0.03 * np.arange(PROBE_BARS)
    opening = close + np.cos(1.3 * bar)
    session = 19_000 + np.arange(PROBE_BARS)
    return Series(
        timestamp=session * MICROSECONDS_PER_DAY,
        session=session,
        open=opening,
        high=np.maximum(opening, close) + 1.0,
        low=np.minimum(opening, close) - 1.0,
        close=close,
        volume=(1000 + bar * 7919 % 997).astype(np.float64),
    )


def _made_side(chosen: FeatureChoice, symbols: Sequence[str], bars: Series) -> SideData:
    """Side data with the columns of those that features read: a value per bar, known when the bar begins."""
    if chosen.side is None:
        return NO_SIDE
    tables = {}
    for file in chosen.side.files:
        row = np.arange(len(bars))[:, None]
        values = np.sin(0.21 * row + np.arange(len(file.columns))) + 0.01 * row
        owners = symbols if file.by_symbol else (SHARED,)
        rows = {owner: Values(bars.timestamp, bars.timestamp, values + n) for n, owner in enumerate(owners)}
        tables[file.name] = SideTable(file.columns, rows)
    return SideData(tables)


def _batches(series: Sequence[Series]) -> Iterator[Ints]:
    """Positions in batches of BATCH, histories of similar length together, as shorter ones are padded."""
    order = np.argsort([len(each) for each in series], kind="stable")
    yield from (order[start : start + BATCH] for start in range(0, len(order), BATCH))


def _newest(series: list[Series], intraday: bool, names: Sequence[str]) -> Floats:
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
    result: Floats = model_features(Frame(**newest, intraday=intraday, raw=raw), names)[:, -1]
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
