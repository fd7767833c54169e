"""Labels that plug-in files define: computed once over the whole history of a symbol, and checked for their form."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from schemas.config.target import VALUE
from schemas.config.training import LABELS, TrainingSettings
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_declarations import LabelDeclaration
from workers.bars.series import Floats, Ints, Series
from workers.features.analysis import instant_of
from workers.features.plugged import frame_of_bars, one_value_per_bar
from workers.learning.exit_rules import EXIT_RULES, Barrier, ExitRule, Exits, Trades
from workers.plugins.blame import user_code
from workers.plugins.loading import LoadedPlugin, by_name, plugins_here, refuse_other_plugins


@dataclass(frozen=True)
class PluggedLabel(LabelDeclaration):
    """A label of a plug-in file; see `gurukul.label`. `path` is the file's."""

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


def rule_of(settings: TrainingSettings) -> ExitRule:
    """The rule of a run's label. RequestError if a plug-in that defines it is missing here, or is another."""
    if settings.label in EXIT_RULES:
        return EXIT_RULES[settings.label]
    plugged = settings.plugged
    if plugged is not None:
        refuse_other_plugins(plugged.digests)
    label = labels_here().get(settings.label)
    if label is None or plugged is None:
        raise RequestError(f"--label {settings.label}: no plug-in of this process defines it; give --plugins")
    timezone = plugged.timezone

    def exits(trades: Trades) -> Exits:
        found = bar_labels(label, trades.series, timezone)
        bar = trades.t0 + found.held[trades.t0]
        horizon, never = np.full(len(bar), Barrier.HORIZON, dtype=np.int8), np.zeros(len(bar), dtype=np.bool_)
        return Exits(bar, trades.series.close[bar], horizon, never, found.value[trades.t0])

    return ExitRule(exits, needs_volatility=False)


def bar_labels(label: PluggedLabel, series: Series, timezone: str, symbol: str = "") -> BarLabels:
    """Compute a label on a symbol's bars. DataError, with the user's line, where it fails or has another form."""
    bars = frame_of_bars(series, timezone)
    what = f"label {label.name}{f' of {symbol}' if symbol else ''}"
    with user_code(label.path, f"in {what}"):
        found = label.function(bars.copy())
    value, held = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    last = max(len(series) - label.horizon_bars, 0)

    def day(at: int) -> str:
        return instant_of(series, at, timezone)

    value = one_value_per_bar(value, bars, label.path, what)[:last]
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
    held = one_value_per_bar(held, bars, label.path, what)[:last]
    whole = (held >= 1) & (held <= label.horizon_bars) & (held == np.round(held))
    if (wrong := known & ~whole).any():
        at = int(wrong.argmax())
        raise DataError(
            f"{label.path} line {label.line}: {what} ends {held[at]:.6g} bars after {day(at)}; a label ends a"
            f" whole number of bars after its bar, from 1 to horizon={label.horizon_bars}"
        )
    return BarLabels(value, np.where(known, held, horizon).astype(np.int64))
