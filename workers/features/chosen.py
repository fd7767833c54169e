"""The features that a run has chosen: names of the columns, and their values for one symbol or a panel."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from schemas.config.features import CROSS_SECTION, MINIMAL, OWN, PANEL_NAMES, RANK, FeatureChoice, is_compared
from schemas.contract.errors import RequestError
from workers.bars.series import Floats, Series
from workers.features.cross_section import cross_section, cross_section_names, inputs_of
from workers.features.frame import frame_of
from workers.features.indicators import Array
from workers.features.plugged import TOLERANCE, features_here, plugged_features
from workers.features.registry import FEATURES, feature_names, model_features
from workers.plugins.loading import refuse_other_plugins
from workers.side.joined import SideData
from workers.side.store import side_of

# What a first look at an idea needs beside it: short, medium and long returns, their size, a level, and trading.
MINIMAL_FEATURES = ("return_1", "return_5", "return_20", "volatility_20", "rsi_14", "volume_z_20")


def names_of(chosen: FeatureChoice) -> tuple[str, ...]:
    """Names of the chosen features, in the order of the models' columns.

    RequestError for an unknown name, and if the plug-ins of this process are not those of the run.
    """
    if chosen.plugged is not None:
        refuse_other_plugins(chosen.plugged.digests)
    own = features_here() if chosen.plugged is not None else {}
    columns: list[str] = []
    for name in chosen.names:
        columns += _columns_of(name, own)
    return tuple(dict.fromkeys(columns))


def tolerance_of(columns: Sequence[str], least: float) -> Floats:
    """Largest accepted difference of each column between two computations of it; `least` is that of built-in ones."""
    own = [is_compared(name) or name in FEATURES for name in columns]
    return np.where(own, least, max(least, TOLERANCE))


def _columns_of(name: str, plugged: Iterable[str]) -> Sequence[str]:
    sets = {OWN: feature_names(), MINIMAL: MINIMAL_FEATURES, CROSS_SECTION: cross_section_names()}
    if name in sets:
        return sets[name]
    single = [*FEATURES, *plugged, *PANEL_NAMES]
    if name in single or (name.startswith(RANK) and name.removeprefix(RANK) in [*FEATURES, *plugged, "beta"]):
        return [name]
    near = difflib.get_close_matches(name, [*sets, *single, *cross_section_names()], 3, 0.5)
    meant = f"; did you mean {' or '.join(near)}?" if near else ";"
    raise RequestError(f"--features: there is no feature {name}{meant} `orchestrator features` lists all")


class SplitColumns(NamedTuple):
    """Columns that compare symbols, the others, and the features that both are computed from."""

    ranked: tuple[str, ...]
    plain: tuple[str, ...]
    inputs: tuple[str, ...]


def split_columns(columns: Sequence[str]) -> SplitColumns:
    """Split the columns of a choice, each part in its order."""
    ranked = tuple(name for name in columns if is_compared(name))
    plain = tuple(name for name in columns if not is_compared(name))
    return SplitColumns(ranked, plain, tuple(dict.fromkeys((*plain, *inputs_of(ranked)))))


def features_of(
    series: Mapping[str, Series], chosen: FeatureChoice, intraday: bool, *, xp: ModuleType = np,
    side: SideData | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Chosen features of each symbol of a panel, shape (bars, names), on arrays of `xp`.

    `side`: side data to read; if omitted: the stored ones of the choice.
    """
    columns = names_of(chosen)
    ranked, plain, inputs = split_columns(columns)
    own = _own_features(series, inputs, chosen, intraday, xp, side)
    if not ranked:
        return own
    instants = [each.timestamp for each in series.values()]
    members = [each.member for each in series.values()]
    compared = cross_section(instants, list(own.values()), names=inputs, columns=ranked, members=members)
    if not plain:
        return dict(zip(series, compared, strict=True))
    names = (*inputs, *ranked)
    places = [names.index(name) for name in columns]
    return {
        symbol: xp.concatenate([mine, beside], axis=1)[:, places]
        for (symbol, mine), beside in zip(own.items(), compared, strict=True)
    }


def _own_features(
    series: Mapping[str, Series], names: Sequence[str], chosen: FeatureChoice, intraday: bool, xp: ModuleType,
    side: SideData | None,
) -> dict[str, Array]:  # fmt: skip
    """Built-in and plug-ins' features of each symbol without ranks among symbols, shape (bars, names)."""
    built_in = [name for name in names if name in FEATURES]
    others = [name for name in names if name not in FEATURES]
    found = {}
    if built_in:
        found = {symbol: model_features(frame_of(each, intraday, xp=xp), built_in) for symbol, each in series.items()}
    if not others or chosen.plugged is None:
        return found
    side = side_of(chosen.plugged.side) if side is None else side
    beside = {
        symbol: xp.asarray(values)
        for symbol, values in plugged_features(series, others, chosen.plugged.timezone, side).items()
    }
    if not built_in:
        return beside
    places = [[*built_in, *others].index(name) for name in names]
    return {symbol: xp.concatenate([mine, beside[symbol]], axis=1)[:, places] for symbol, mine in found.items()}
