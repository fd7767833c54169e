"""Cross-sectional features: where a symbol stands among the symbols of the same bar, and what all of them did.

A bar is an instant: symbols are compared where their bars have one timestamp. A value at a bar depends only on bars up
to that instant, of every symbol. Symbols may begin late, end early and miss bars.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import ModuleType

import numpy as np

from schemas.config.features import PANEL_NAMES, RANK
from schemas.contract.window import MIN_RANKED_SYMBOLS, WARMUP_BARS
from workers.bars.series import Bools, Ints
from workers.features.indicators import Array, namespace, rolling_std, rolling_sum
from workers.features.registry import FEATURES, feature_names

BETA_BARS = 60


@dataclass(frozen=True)
class Grid:
    """Bars of several symbols on one axis of instants; `instants` has one array of ascending timestamps per symbol."""

    instants: Sequence[Ints]

    @cached_property
    def axis(self) -> Ints:
        """Every instant at which some symbol has a bar, in ascending order."""
        return np.unique(np.concatenate(list(self.instants)))

    @cached_property
    def _cells(self) -> tuple[Ints, Ints]:
        lengths = [len(mine) for mine in self.instants]
        return np.searchsorted(self.axis, np.concatenate(list(self.instants))), np.repeat(
            np.arange(len(lengths)), lengths
        )

    def spread(self, values: Sequence[Array]) -> Array:
        """One array per symbol, one value per bar, as a matrix of shape (instants, symbols); NaN where no bar is."""
        xp = namespace(values[0])
        at, symbol = self._cells
        matrix = xp.full((len(self.axis), len(self.instants)), xp.nan)
        matrix[xp.asarray(at), xp.asarray(symbol)] = xp.concatenate(list(values))
        return matrix

    def gather(self, matrix: Array) -> Array:
        """Values of `matrix`, shape (instants, symbols) or (instants, 1), at every bar, symbol after symbol."""
        xp = namespace(matrix)
        at, symbol = self._cells
        return matrix[xp.asarray(at), xp.asarray(symbol if matrix.shape[1] > 1 else 0 * symbol)]

    def split(self, values: Array) -> list[Array]:
        """The parts of `values`, one row per bar, that belong to each symbol."""
        ends = np.cumsum([0, *(len(mine) for mine in self.instants)])
        return [values[begin:end] for begin, end in pairwise(ends.tolist())]


def cross_section_names() -> tuple[str, ...]:
    """Names of the cross-sectional features, in the order of their columns."""
    return tuple(f"{RANK}{name}" for name in (*_ranked(), "beta")) + PANEL_NAMES


def inputs_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The features of a symbol's own bars that cross-sectional columns are computed from, each once."""
    found: list[str] = []
    for name in columns:
        own = name.removeprefix(RANK)
        found.append("return_1" if own in PANEL_NAMES else own)
    return tuple(dict.fromkeys(found))


def cross_section(
    instants: Sequence[Ints],
    features: Sequence[Array],
    earlier: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    members: Sequence[Bools] | None = None,
) -> list[Array]:
    """Cross-sectional features of each symbol, shape (bars, columns), from its own of shape (bars, names).

    `earlier` is the number of bars of each symbol before the given ones; 0 if omitted. `names` are those of the
    features, `columns` those of the result; if omitted: all built-in ones. `members`: whether each symbol belongs to
    the universe at each bar; if omitted: always. Bars of others count nowhere, as missing values do not.

    Ranks are between -0.5 (lowest) and 0.5 (highest), 0 in the middle; equal values share the mean of their ranks.
    A missing value has rank 0, and does not count for the others; nor do the bars of a symbol's own warm-up. Where
    fewer than MIN_RANKED_SYMBOLS have a value, every rank is 0, and the panel's columns are NaN.
    """
    given = list(feature_names() if names is None else names)
    wanted = cross_section_names() if columns is None else columns
    grid, xp = Grid(instants), namespace(features[0])
    begins = earlier or [0] * len(instants)
    settled = [np.arange(n, n + len(mine)) >= WARMUP_BARS for mine, n in zip(instants, begins, strict=True)]
    belongs = np.ones(sum(map(len, instants)), dtype=np.bool_) if members is None else np.concatenate(list(members))
    compared = xp.asarray(np.concatenate(settled) & belongs)
    result = xp.empty((len(compared), len(wanted)))
    panel = _panel_columns(grid, features, given, xp.asarray(belongs)) if "return_1" in inputs_of(wanted) else {}
    for column, name in enumerate(wanted):
        own = name.removeprefix(RANK)
        if own == name:
            result[:, column] = panel[name]
            continue
        values = panel[own] if own in panel else xp.concatenate([mine[:, given.index(own)] for mine in features])
        result[:, column] = grid.gather(centred_ranks(grid.spread([xp.where(compared, values, xp.nan)])))
    return grid.split(result)


def _panel_columns(grid: Grid, features: Sequence[Array], names: list[str], belongs: Array) -> dict[str, Array]:
    """The columns PANEL_NAMES at every bar, symbol after symbol; the market is that of the bars that belong."""
    xp = namespace(features[0])
    returns = [mine[:, names.index("return_1")] for mine in features]
    of_members = xp.where(belongs, xp.concatenate(returns), xp.nan)
    mean, dispersion = market(grid.spread([of_members]), MIN_RANKED_SYMBOLS)
    beside = grid.split(grid.gather(mean))
    betas = xp.concatenate([beta(mine, its) for mine, its in zip(returns, beside, strict=True)])
    return dict(zip(PANEL_NAMES, (grid.gather(mean), grid.gather(dispersion), betas), strict=True))


def market(returns: Array, least: int = 1) -> tuple[Array, Array]:
    """Mean and deviation of each row of `returns`, shape (instants, symbols), each of shape (instants, 1).

    NaN where fewer than `least` symbols have a return.
    """
    xp = namespace(returns)
    known = xp.isfinite(returns)
    count = known.sum(axis=1, keepdims=True)
    enough, divisor = count >= least, xp.maximum(count, 1)
    mean = xp.where(known, returns, 0.0).sum(axis=1, keepdims=True) / divisor
    apart = xp.where(known, returns - mean, 0.0)
    deviation = xp.sqrt((apart * apart).sum(axis=1, keepdims=True) / divisor)
    return xp.where(enough, mean, xp.nan), xp.where(enough, deviation, xp.nan)


def beta(returns: Array, beside: Array) -> Array:
    """Slope of a symbol's returns on the market's over its last BETA_BARS bars, shape (bars,); NaN if it is unknown.

    `beside` is the market's return at the symbol's bars. The market contains the symbol where it belongs to it.
    """
    xp = namespace(returns)
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = rolling_sum(returns * beside, BETA_BARS) / BETA_BARS
        both = rolling_sum(returns, BETA_BARS) * rolling_sum(beside, BETA_BARS) / BETA_BARS**2
        slope = (moved - both) / rolling_std(beside, BETA_BARS) ** 2
    return xp.where(xp.isfinite(slope), slope, xp.nan)


def centred_ranks(values: Array) -> Array:
    """Rank of each value in its row of `values`, shape (rows, symbols): the share of the others below it, less 0.5.

    Equal values share the mean of their ranks. 0 for NaN, and in rows of fewer than MIN_RANKED_SYMBOLS values.
    """
    xp = namespace(values)
    known = xp.isfinite(values)
    count = known.sum(axis=1, keepdims=True)
    order = xp.argsort(values, axis=1)  # NaN last
    place = xp.take_along_axis(
        _mean_places(xp, xp.take_along_axis(values, order, axis=1)), xp.argsort(order, axis=1), axis=1
    )
    centred = place / xp.maximum(count - 1, 1) - 0.5
    return xp.where(known & (count >= MIN_RANKED_SYMBOLS), centred, 0.0)


def _mean_places(xp: ModuleType, ordered: Array) -> Array:
    """Mean position, from 0, of the values of each row that equal each value; rows of `ordered` ascend."""
    fresh = xp.ones(ordered.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    equal = xp.cumsum(fresh.reshape(-1)) - 1
    place = xp.broadcast_to(xp.arange(ordered.shape[1]), ordered.shape).reshape(-1)
    mean = xp.bincount(equal, weights=place) / xp.bincount(equal)
    return mean[equal].reshape(ordered.shape)


def _ranked() -> list[str]:
    """Features that differ between the symbols of a bar: all but those of the calendar."""
    return [feature.name for feature in FEATURES.values() if feature.source != "calendar"]
