"""Chronological splits that keep label spans apart. Rows are in order of their decisions and never shuffled.

A span `[t0, t1]` is two positions on one time axis: bars of one symbol, or those of all symbols of a panel together.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workers.bars.series import Ints

BLOCKS = 4
TAIL = BLOCKS - 1  # the last block, on which early stopping is decided


@dataclass(frozen=True)
class TailSplit:
    """Row positions of the fit part, the purged rows, and the early-stopping tail after them."""

    fit: Ints
    purged: Ints
    tail: Ints


def blocks(t0: Ints) -> NDArray[np.int8]:
    """The block, 0 to BLOCKS - 1, of each row: equal parts in time, decisions of one instant in one block."""
    first = [part[0] for part in np.array_split(np.arange(len(t0)), BLOCKS) if len(part)]
    return (np.searchsorted(t0[first], t0, side="right") - 1).astype(np.int8)


def apart(t0: Ints, t1: Ints, block: NDArray[np.int8], held_out: Collection[int], embargo: int) -> Ints:
    """Rows outside the blocks `held_out` whose spans stay more than `embargo` bars away from those of their rows."""
    keep = np.ones(len(t0), dtype=bool)
    for each in held_out:
        mine = np.flatnonzero(block == each)
        if len(mine):
            keep &= (t1 + embargo < t0[mine[0]]) | (t0 > t1[mine].max() + embargo)
    return np.flatnonzero(keep)


def split_tail(t0: Ints, t1: Ints, embargo: int) -> TailSplit:
    """The last block as tail; an earlier row is purged unless its label ends more than `embargo` bars before it."""
    block = blocks(t0)
    tail = np.flatnonzero(block == TAIL)
    fit = apart(t0, t1, block, (TAIL,), embargo)
    return TailSplit(fit, np.setdiff1d(np.flatnonzero(block < TAIL), fit), tail)


def held_out_sets(pairs: bool) -> list[tuple[int, ...]]:
    """Blocks that each out-of-fold model is fitted without: each one, and with `pairs` each pair.

    A pair is for students that are judged on one of its blocks and fitted on predictions of rows in the other.
    """
    return [(block,) for block in range(BLOCKS)] + (list(combinations(range(BLOCKS), 2)) if pairs else [])
