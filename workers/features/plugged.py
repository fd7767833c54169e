"""Features that plug-in files define, computed on the host over the whole history of a symbol or panel."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.config.features import PANEL_NAMES, RANK, SETS
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_declarations import FeatureDeclaration
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import COLUMNS, Floats, Series
from workers.features.registry import FEATURES
from workers.plugins.blame import blamed, user_code
from workers.plugins.loading import LoadedPlugin, by_name, plugins_here
from workers.side.joined import NO_SIDE, SideData

if TYPE_CHECKING:
    import pandas as pd

# Largest difference of a plug-in's feature, relative and absolute, between two computations of it: libraries may add
# in another order where an array is longer.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class PluggedFeature(FeatureDeclaration):
    """A feature of a plug-in file; see `gurukul.feature`. `path` is the file's."""

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
                result[symbol][:, column] = _one_value_per_bar(feature, bars, beside, symbol)
    for column, feature in enumerate(chosen):
        if feature.panel:
            for symbol, values in _of_panel(feature, series, timezone, side).items():
                result[symbol][:, column] = values
    for matrix in result.values():
        matrix[~np.isfinite(matrix)] = np.nan
    return result


def frame_of_bars(series: Series, timezone: str) -> "pd.DataFrame":
    """A symbol's bars as users see them: COLUMNS, indexed by the bar's instant in `timezone`."""
    import pandas as pd

    index = pd.DatetimeIndex(series.timestamp.view("datetime64[us]"), tz="UTC", name="time").tz_convert(timezone)
    return pd.DataFrame({name: getattr(series, name) for name in COLUMNS}, index=index)


def _frame_of_members(series: Series, timezone: str) -> "pd.DataFrame":
    """The same, NaN on the bars on which the symbol does not belong to the universe."""
    bars = frame_of_bars(series, timezone)
    return bars if series.member.all() else bars.where(np.broadcast_to(series.member[:, None], bars.shape))


def refuse_missing_side(features: Iterable[PluggedFeature], given: Container[str]) -> None:
    """RequestError names the first feature that reads side data that are not given."""
    for each in features:
        for name in each.side:
            if name not in given:
                raise RequestError(f"{each.path}: feature {each.name} reads side data {name}; give --side {name}=FILE")


def _one_value_per_bar(
    feature: PluggedFeature, bars: "pd.DataFrame", side: Mapping[str, "pd.DataFrame"], symbol: str
) -> Floats:
    """What a function returns for the bars of a symbol, shape (bars,)."""
    found = _called(feature, bars, side, symbol)
    return one_value_per_bar(found, bars, feature.path, f"feature {feature.name} of {symbol}")


def one_value_per_bar(found: Any, bars: "pd.DataFrame", path: str, what: str) -> Floats:
    """What a function of the plug-in `path` returned for bars, shape (bars,), NaN where a value is missing."""
    import pandas as pd

    with blamed(path, f"values of {what}", DataError):
        if isinstance(found, pd.Series):
            if not found.index.equals(bars.index):
                raise DataError(f"{path}: {what} is a Series with another index than the bars; use bars.index")
            found = found.to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.asarray(found, dtype=np.float64)
    if values.shape != (len(bars),):
        raise DataError(f"{path}: {what} has shape {values.shape}; return one value per bar, shape ({len(bars)},)")
    return values


def _of_panel(
    feature: PluggedFeature, series: Mapping[str, Series], timezone: str, side: SideData
) -> dict[str, Floats]:
    import pandas as pd

    frames = {symbol: _frame_of_members(each, timezone) for symbol, each in series.items()}
    wide = pd.concat(frames, axis=1).sort_index()
    bars = wide.swaplevel(axis=1)[list(COLUMNS)]
    panel = {symbol: (each, frames[symbol].index) for symbol, each in series.items()}
    found = _called(feature, bars, side.panel_frames(feature.side, panel, bars.index), "the panel")
    close = bars["close"]
    if not isinstance(found, pd.DataFrame) or not found.index.equals(close.index) or set(found) != set(close):
        raise DataError(
            f"{_of(feature, 'the panel')} is not a DataFrame with the index and the columns of bars['close']: one row"
            " per bar, one column per symbol"
        )
    with blamed(feature.path, f"values of feature {feature.name}", DataError):
        matrix = found[list(close)].to_numpy(dtype=np.float64, na_value=np.nan)
    instants = close.index.tz_convert("UTC").as_unit("us").asi8
    return {
        symbol: matrix[np.searchsorted(instants, each.timestamp), column]
        for column, (symbol, each) in enumerate(series.items())
    }


def _called(feature: PluggedFeature, bars: "pd.DataFrame", side: Mapping[str, "pd.DataFrame"], symbol: str) -> Any:
    """Call a function on frames of its own, which it may change. DataError names the line that failed."""
    with user_code(feature.path, f"in feature {feature.name} of {symbol}"):
        if feature.side:
            return feature.function(bars.copy(), side={name: side[name].copy() for name in feature.side})
        return feature.function(bars.copy())


def _of(feature: PluggedFeature, symbol: str) -> str:
    return f"{feature.path}: feature {feature.name} of {symbol}"
