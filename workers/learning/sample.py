"""Labelled rows of one or more symbols on a common axis of time, with what is known of each symbol's labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import CLASS, Target
from schemas.contract.artifact import KnownLabels
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array
from workers.features.indicators import namespace
from workers.learning.base_rate import offsets_of
from workers.learning.history import History, Rows
from workers.scoring.family import FAMILIES, Family, LabelValues

# Inputs of a symbol's labels at given positions, shape (positions, features), NaN where missing.
SymbolInputs = Callable[[str, Ints], Array]


@dataclass(frozen=True)
class Sample:
    """Labelled rows that one model learns from, in order of their decisions, then symbol; one value per row each.

    `inputs` computes the features of rows: those at given places of the sample, which are all of one member; `member`
    is the symbol, as a number from 0; `row` its position in the symbol's labels; `t0`, `t1` are the label's span on an
    axis that all members share; `weight` is the label's uniqueness.

    `known`, shape (fields, symbols), has the fields of `KnownLabels` of all labels that are known by then, per symbol
    of the run: those of the members first. They contain the sample's own labels, and those before its lookback.
    """

    inputs: Callable[[int, Ints], Array]
    y: LabelValues
    t0: Ints
    t1: Ints
    weight: Floats
    member: Ints
    row: Ints
    symbols: tuple[str, ...]
    known: Floats
    target: Target = CLASS

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def places(self) -> list[Ints]:
        """The places of each member's rows."""
        return places_of(self.member, len(self.symbols))

    def parts(self) -> Iterator[tuple[Ints, Array]]:
        """Places and features of each member's rows."""
        return ((mine, self.inputs(number, mine)) for number, mine in enumerate(self.places))

    @property
    def x(self) -> Array:
        """Features of all rows, shape (rows, features), NaN where missing."""
        return self.gathered()

    def gathered(self, ones: int = 0) -> Array:
        """Features of all rows, shape (rows, features + ones), computed at each use; the last `ones` columns are 1."""
        parts = self.parts()
        mine, first = next(parts)
        if len(first) == len(self) and not ones:
            return first
        xp, features = namespace(first), first.shape[1]
        x = xp.full((len(self), features + ones), 1.0, dtype=first.dtype)
        x[xp.asarray(mine), :features] = first
        for mine, values in parts:
            x[xp.asarray(mine), :features] = values
        return x

    def offsets(self, known: NDArray[np.bool_]) -> Floats:
        """Offset of each member's models, from all known labels but those of the rows that are not `known`."""
        left = ~known
        weight, y = self.weight[left], self.y[left]
        terms = (weight * y, weight, weight * y**2)[: len(self.known)]
        many = self.known.shape[1]
        unknown = np.stack([np.bincount(self.member[left], weights=each, minlength=many) for each in terms])
        offsets, _ = offsets_of(self.known - unknown, self.target)
        return offsets[: len(self.symbols)]

    @property
    def family(self) -> Family:
        """The family of its target."""
        return FAMILIES[self.target]


def places_of(member: Ints, members: int) -> list[Ints]:
    """The places of each member's rows, in ascending order; `member` has the number of each row's."""
    order = np.argsort(member, kind="stable")
    return np.split(order, np.cumsum(np.bincount(member, minlength=members))[:-1])


def sample_of(
    histories: Mapping[str, History],
    rows: Mapping[str, Rows],
    inputs: SymbolInputs,
    counts: Mapping[str, KnownLabels],
    horizon_bars: int,
    target: Target,
) -> Sample:
    """The training rows of the symbols in `rows`, on the time axis of all `histories`.

    `counts` are the known labels of every symbol of the run.
    """
    axis = np.unique(np.concatenate([history.series.timestamp for history in histories.values()]))
    t0, t1, y, weight = [], [], [], []
    for symbol, each in rows.items():
        series, labels, row = histories[symbol].series, histories[symbol].labels, each.train
        on_axis = np.searchsorted(axis, series.timestamp)
        t0.append(on_axis[labels.t0[row]])
        # The whole horizon counts: a privileged path reads it to its end.
        t1.append(on_axis[labels.t0[row] + horizon_bars])
        y.append(labels.y[row])
        weight.append(each.weight)
    symbols = tuple(rows)
    member = np.repeat(np.arange(len(rows)), [len(each.train) for each in rows.values()])
    order = np.lexsort((member, np.concatenate(t0)))
    row = np.concatenate([each.train for each in rows.values()])[order]
    known = [counts[symbol] for symbol in rows] + [each for symbol, each in counts.items() if symbol not in rows]
    return Sample(
        lambda number, places: inputs(symbols[number], row[places]),
        np.concatenate(y)[order], np.concatenate(t0)[order], np.concatenate(t1)[order],
        np.concatenate(weight)[order], member[order], row, symbols,
        np.array(known, dtype=np.float64).T, target,
    )  # fmt: skip
