"""Labels that plug-in files define: computed once over the whole history of a symbol or panel, and checked for form."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np

from schemas.config.target import VALUE
from schemas.config.training import LABELS, TrainingSettings
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_declarations import LabelDeclaration
from workers.bars.series import Bools, Floats, Ints, Series
from workers.features.analysis import Panel, axis_of, instant_of
from workers.features.pandas_bars import (
    called,
    frame_of_bars,
    one_value_per_bar,
    panel_of_bars,
    refuse_missing_side,
    values_of_panel,
)
from workers.learning.exit_rules import EXIT_RULES, Barrier, ExitRule, Exits, Trades
from workers.plugins.loading import LoadedPlugin, by_name, plugins_here, refuse_other_plugins
from workers.side.joined import NO_SIDE, SideData
from workers.side.store import side_of


@dataclass(frozen=True)
class PluggedLabel(LabelDeclaration):
    """A label of a plug-in file; see `gurukul.label`. `path` is the file's."""

    noun: ClassVar[str] = "label"
    path: str = field(kw_only=True)

    @property
    def line(self) -> int:
        """The line where the function begins; 1 for a callable without code."""
        return int(getattr(getattr(self.function, "__code__", None), "co_firstlineno", 1))


@dataclass(frozen=True)
class BarLabels:
    """What a function returns for a symbol's bars whose horizon is inside the history, one value per bar.

    `value` is NaN where a bar has no label; `held` is the number of bars after which a label is known, the horizon
    where it has none.
    """

    value: Floats
    held: Ints


def labels_here() -> dict[str, PluggedLabel]:
    """The labels of all plug-ins of this process by name, in order. RequestError for one that cannot be used."""
    return _labels(tuple(plugins_here().values()))


@cache
def _labels(plugins: tuple[LoadedPlugin, ...]) -> dict[str, PluggedLabel]:
    declared = [(plugin.path, each) for plugin in plugins for each in plugin.labels]
    named = by_name("label", declared, LABELS.__contains__)
    return {name: PluggedLabel(**vars(each), path=path) for name, (path, each) in named.items()}


def rules_of(panel: Panel, settings: TrainingSettings, side: SideData | None = None) -> dict[str, ExitRule]:
    """The rule of a run's label for the bars of each symbol; a label of a plug-in is computed on all of them.

    `side`: side data to read; if omitted: the stored ones of the run. RequestError if a plug-in that defines the label
    is missing here, or is another.
    """
    if settings.label in EXIT_RULES:
        return dict.fromkeys(panel, EXIT_RULES[settings.label])
    plugged = settings.plugged
    if plugged is not None:
        refuse_other_plugins(plugged.digests)
    label = labels_here().get(settings.label)
    if label is None or plugged is None:
        raise RequestError(f"--label {settings.label}: no plug-in of this process defines it; give --plugins")
    side = side_of(plugged.label_side) if side is None else side
    return {symbol: _rule(found) for symbol, found in bar_labels(label, panel, plugged.timezone, side).items()}


def _rule(found: BarLabels) -> ExitRule:
    """The rule by which a trade ends where its label does, at the close."""

    def exits(trades: Trades) -> Exits:
        bar = trades.t0 + found.held[trades.t0]
        horizon, never = np.full(len(bar), Barrier.HORIZON, dtype=np.int8), np.zeros(len(bar), dtype=np.bool_)
        return Exits(bar, trades.series.close[bar], horizon, never, found.value[trades.t0])

    return ExitRule(exits, needs_volatility=False)


def bar_labels(label: PluggedLabel, panel: Panel, timezone: str, side: SideData = NO_SIDE) -> dict[str, BarLabels]:
    """Compute a label on the bars of each symbol, or on all together where it takes the panel.

    `side`: the side data that it reads. DataError, with the user's line, where it fails or has another form.
    """
    refuse_missing_side([label], side.tables)
    if label.panel:
        return _of_panel(label, panel, timezone, side)
    return {symbol: _of_symbol(label, symbol, each, timezone, side) for symbol, each in panel.items()}


def _of_symbol(label: PluggedLabel, symbol: str, series: Series, timezone: str, side: SideData) -> BarLabels:
    bars, what = frame_of_bars(series, timezone), f"label {label.name} of {symbol}"
    value, held = _pair(called(label, bars, side.frames(label.side, symbol, series, bars.index), symbol))
    value = one_value_per_bar(value, bars, label.path, what)
    held = None if held is None else one_value_per_bar(held, bars, label.path, what)
    return _checked(label, what, lambda at: instant_of(series, at, timezone), len(series), value, held)


def _of_panel(label: PluggedLabel, series: Panel, timezone: str, side: SideData) -> dict[str, BarLabels]:
    """Labels of a panel, whose rows are the instants of all symbols: an end becomes the symbol's first bar from then.

    No later than as many of its own bars, so a horizon of rows ends inside the horizon of bars.
    """
    panel = panel_of_bars(series, timezone, lambda each: _seen(each, label.horizon_bars))
    value, held = _pair(called(label, panel.bars, panel.side(side, label.side), "the panel"))
    values = values_of_panel(value, panel, label)
    ends = None if held is None else values_of_panel(held, panel, label)
    axis, found = axis_of(series), {}
    for symbol, each in series.items():
        what = f"label {label.name} of {symbol}"
        day = partial(instant_of, each, timezone=timezone)
        mine = _checked(label, what, day, len(each), values[symbol], None if ends is None else ends[symbol])
        if ends is not None:
            row = np.searchsorted(axis, each.timestamp[: len(mine.held)]) + mine.held
            mine = replace(mine, held=np.searchsorted(each.timestamp, axis[row]) - np.arange(len(row)))
        found[symbol] = mine
    return found


def _seen(series: Series, horizon: int) -> Bools:
    """Bars on which a symbol belongs to the universe, or on which labels of such bars may still end."""
    stays = np.cumsum(series.member)
    before = np.concatenate([np.zeros(horizon + 1, dtype=stays.dtype), stays])[: len(stays)]
    seen: Bools = stays > before
    return seen


def _pair(found: Any) -> tuple[Any, Any]:
    """The values that a function returned, and the bars after which they are known; None for the horizon."""
    return found if isinstance(found, tuple) and len(found) == 2 else (found, None)


def _checked(
    label: PluggedLabel, what: str, day: Callable[[int], str], bars: int, value: Floats, held: Floats | None
) -> BarLabels:
    """The labels of bars whose horizon is inside the history. DataError for a value or an end that is none."""
    last = max(bars - label.horizon_bars, 0)
    value = value[:last]
    known = ~np.isnan(value)
    is_value = label.target == VALUE
    wrong = known & (np.isinf(value) if is_value else (value != 0.0) & (value != 1.0))
    if wrong.any():
        at = int(wrong.argmax())
        allowed = "a finite number or NaN" if is_value else '0, 1 or NaN; a value needs @gk.label(target="value")'
        raise DataError(f"{label.path} line {label.line}: {what} is {value[at]:.6g} at {day(at)}; a label is {allowed}")
    horizon = np.full(last, label.horizon_bars)
    if held is None:
        return BarLabels(value, horizon)
    held = held[:last]
    whole = (held >= 1) & (held <= label.horizon_bars) & (held == np.round(held))
    if (wrong := known & ~whole).any():
        at = int(wrong.argmax())
        raise DataError(
            f"{label.path} line {label.line}: {what} ends {held[at]:.6g} bars after {day(at)}; a label ends a"
            f" whole number of bars after its bar, from 1 to horizon={label.horizon_bars}"
        )
    return BarLabels(value, np.where(known, held, horizon).astype(np.int64))
