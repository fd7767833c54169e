"""Labelled rows of one or more symbols on a common axis of time, with what is known of each symbol's labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.contract.artifact import LabelCount
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take
from workers.features.indicators import namespace
from workers.learning.base_rate import base_rates, logits
from workers.learning.history import History, Rows


@dataclass(frozen=True)
class Sample:
    """Labelled rows that one model learns from, in order of their decisions, then symbol; one value per row each.

    `x` is (rows, features), NaN where missing, on the model's device; `member` is the symbol, as a number from 0;
    `row` its position in the symbol's labels; `t0`, `t1` are the label's span on an axis that all members share;
    `weight` is the label's uniqueness.

    `known_positives` and `known_total` are the weights of all labels that are known by then, per symbol of the run:
    those of the members first. They contain the sample's own labels, and those before its lookback.
    """

    x: Array
    y: NDArray[np.int8]
    t0: Ints
    t1: Ints
    weight: Floats
    member: Ints
    row: Ints
    symbols: tuple[str, ...]
    known_positives: Floats
    known_total: Floats

    def __len__(self) -> int:
        return len(self.y)

    def offsets(self, known: NDArray[np.bool_]) -> Floats:
        """Logit of each member's base rate, from all known labels but those of the rows that are not `known`."""
        left = ~known
        member, weight, many = self.member[left], self.weight[left], len(self.known_total)
        positives = self.known_positives - np.bincount(member, weights=weight * self.y[left], minlength=many)
        total = self.known_total - np.bincount(member, weights=weight, minlength=many)
        shares, _ = base_rates(positives, total)
        return logits(shares[: len(self.symbols)])


def sample_of(
    histories: Mapping[str, History],
    rows: Mapping[str, Rows],
    inputs: Mapping[str, Array],
    counts: Mapping[str, LabelCount],
    horizon_bars: int,
) -> Sample:
    """The training rows of the symbols in `rows`, on the time axis of all `histories`; `inputs` has the x of each.

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
    train = [each.train for each in rows.values()]
    member = np.repeat(np.arange(len(rows)), [len(row) for row in train])
    order = np.lexsort((member, np.concatenate(t0)))
    x = [inputs[symbol] for symbol in rows]
    joined = x[0] if len(x) == 1 else take(namespace(x[0]).concatenate(x), order)
    known = [counts[symbol] for symbol in rows] + [each for symbol, each in counts.items() if symbol not in rows]
    return Sample(
        joined, np.concatenate(y)[order], np.concatenate(t0)[order], np.concatenate(t1)[order],
        np.concatenate(weight)[order], member[order], np.concatenate(train)[order], tuple(rows),
        np.array([each.positives for each in known]), np.array([each.total for each in known]),
    )  # fmt: skip
