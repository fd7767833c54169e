"""Features that plug-in files define, computed on the host over the whole history of a symbol or panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import numpy as np

from schemas.config.features import PANEL_NAMES, RANK, SETS
from schemas.contract.errors import RequestError
from schemas.contract.plugin_declarations import FeatureDeclaration
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import Floats, Series
from workers.features.pandas_bars import (
    called,
    frame_of_bars,
    one_value_per_bar,
    panel_of_bars,
    refuse_missing_side,
    values_of_panel,
)
from workers.features.registry import FEATURES
from workers.plugins.loading import LoadedPlugin, by_name, plugins_here
from workers.side.joined import NO_SIDE, SideData

# Largest difference of a plug-in's feature, relative and absolute, between two computations of it: libraries may add
# in another order where an array is longer.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class PluggedFeature(FeatureDeclaration):
    """A feature of a plug-in file; see `gurukul.feature`. `path` is the file's."""

    noun: ClassVar[str] = "feature"
    path: str = field(kw_only=True)


def features_here() -> dict[str, PluggedFeature]:
    """The features of all plug-ins of this process by name, in order. RequestError for one that cannot be used."""
    return _features(tuple(plugins_here().values()))


@cache
def _features(plugins: tuple[LoadedPlugin, ...]) -> dict[str, PluggedFeature]:
    declared = [(plugin.path, each) for plugin in plugins for each in plugin.features]
    for path, each in declared:
        if each.warmup_bars is not None and each.warmup_bars > WARMUP_BARS:
            raise RequestError(
                f"{path}: feature {each.name!r} needs {each.warmup_bars} bars of warm-up, and windows leave"
                f" {WARMUP_BARS}; look back less far, or declare warmup='all', and rows of fewer bars lack it"
            )
    named = by_name("feature", declared, _is_built_in)
    return {name: PluggedFeature(**vars(each), path=path) for name, (path, each) in named.items()}


def _is_built_in(name: str) -> bool:
    return name in (*FEATURES, *SETS, *PANEL_NAMES) or name.startswith(RANK)


def plugged_features(
    series: Mapping[str, Series], names: Sequence[str], timezone: str, side: SideData = NO_SIDE
) -> dict[str, Floats]:
    """Values of plug-ins' features of each symbol, shape (bars, names); NaN where one is missing or infinite.

    `side`: the side data that they read.

    DataError, with the user's line, where a function fails or returns something else than one value per bar.
    """
    chosen = [features_here()[name] for name in names]
    refuse_missing_side(chosen, side.tables)
    read = tuple(dict.fromkeys(name for each in chosen for name in each.side))
    result = {symbol: np.full((len(each), len(chosen)), np.nan) for symbol, each in series.items()}
    alone = [(column, each) for column, each in enumerate(chosen) if not each.panel]
    if alone:
        for symbol, each in series.items():
            bars = frame_of_bars(each, timezone)
            beside = side.frames(read, symbol, each, bars.index)
            for column, feature in alone:
                found = called(feature, bars, beside, symbol)
                what = f"feature {feature.name} of {symbol}"
                result[symbol][:, column] = one_value_per_bar(found, bars, feature.path, what)
    for column, feature in enumerate(chosen):
        if feature.panel:
            for symbol, values in _of_panel(feature, series, timezone, side).items():
                result[symbol][:, column] = values
    for matrix in result.values():
        matrix[~np.isfinite(matrix)] = np.nan
    return result


def _of_panel(
    feature: PluggedFeature, series: Mapping[str, Series], timezone: str, side: SideData
) -> dict[str, Floats]:
    """What a function returns for the bars of a panel, without those on which a symbol is not in the universe."""
    panel = panel_of_bars(series, timezone, lambda each: each.member)
    found = called(feature, panel.bars, panel.side(side, feature.side), "the panel")
    return values_of_panel(found, panel, feature)
