"""Chronological splits that keep label spans apart. Rows are in time order; nothing is ever shuffled."""

from dataclasses import dataclass

import numpy as np

from workers.bars.series import Ints

TAIL_SHARE = 0.2
FOLDS = 4


@dataclass(frozen=True)
class TailSplit:
    """Row positions of the fit part, the purged rows, and the early-stopping tail after them."""

    fit: Ints
    purged: Ints
    tail: Ints


@dataclass(frozen=True)
class Fold:
    """Row positions to fit on, and a contiguous block to predict."""

    fit: Ints
    held_out: Ints


def split_tail(t0: Ints, t1: Ints) -> TailSplit:
    """Last fifth as tail; every earlier row whose label ends at or after the tail's first bar is purged."""
    rows = np.arange(len(t0))
    first_tail = len(rows) - max(round(len(rows) * TAIL_SHARE), 1)
    before = rows[:first_tail]
    clean = t1[before] < t0[first_tail]
    return TailSplit(before[clean], before[~clean], rows[first_tail:])


def purged_folds(t0: Ints, t1: Ints, embargo_bars: int = 1) -> list[Fold]:
    """Contiguous blocks, each to be predicted from the rows whose label spans touch neither it nor its embargo."""
    folds = []
    for held_out in np.array_split(np.arange(len(t0)), FOLDS):
        start, stop = t0[held_out[0]], t1[held_out].max()
        apart = (t1 < start) | (t0 > stop + embargo_bars)
        folds.append(Fold(np.flatnonzero(apart), held_out))
    return folds
