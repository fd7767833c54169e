"""Drift of features between two parts of a run's rows, against bounds from a block bootstrap.

Fixed bounds such as a stability index of 0.25 report nearly every slowly moving feature as drifted.
"""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap
from numpy.typing import NDArray

from workers.bars.series import Floats, Ints

BINS = 10  # bins of equal mass over all rows, for the stability index
FINE = 10  # sub-bins of each bin, for the Kolmogorov-Smirnov distance
SHARE_FLOOR = 1e-4  # share that an empty bin counts as


@dataclass(frozen=True)
class Drift:
    """Population stability index and Kolmogorov-Smirnov distance, each with its bound under no drift."""

    psi: float
    psi_threshold: float
    ks: float
    ks_threshold: float

    @property
    def drifted(self) -> bool:
        """Whether both distances exceed their bounds."""
        return self.psi > self.psi_threshold and self.ks > self.ks_threshold


def psi(reference: Floats, sample: Floats) -> float:
    """Compute the population stability index of two samples over ten bins of equal mass."""
    counts = _counts(_codes(np.concatenate([reference, sample])[:, None]), len(reference))
    return float(_psi(*counts)[0])


def ks(reference: Floats, sample: Floats) -> float:
    """Compute the largest distance between two distribution functions, at a hundred quantiles of all rows."""
    counts = _counts(_codes(np.concatenate([reference, sample])[:, None]), len(reference))
    return float(_ks(*counts)[0])


def drift(rows: Floats, n: int, *, block: float, quantile: float, repetitions: int, seed: int) -> list[Drift]:
    """Compute both distances of each column between the first `n` rows and the rest.

    `rows`: shape (rows, columns), in order of time. `block`: mean block length of the bootstrap, in rows. The bounds
    are the `quantile` of the distances in bootstrap samples of all rows, split at the same place: no drift by
    construction.
    """
    codes = _codes(rows)
    block = min(max(block, 1.0), len(rows) / 4)
    bootstrap = StationaryBootstrap(block, np.arange(len(rows)), seed=np.random.default_rng(seed))
    null = np.array([_distances(codes[sample[0][0]], n) for sample in bootstrap.bootstrap(repetitions)])
    bounds = np.quantile(null, quantile, axis=0)
    found = _distances(codes, n)
    return [
        Drift(float(found[0, column]), float(bounds[0, column]), float(found[1, column]), float(bounds[1, column]))
        for column in range(rows.shape[1])
    ]


def _codes(rows: Floats) -> Ints:
    """Number the sub-bins of all columns one after another; return that of each value.

    Equal values share a bin, and NaN is in the last one of its column.
    """
    edges = np.linspace(0, 1, BINS * FINE + 1)[1:-1]
    columns = []
    for column in rows.T:
        known = column[np.isfinite(column)]
        cuts = np.quantile(known, edges, method="higher") if len(known) else edges
        columns.append(np.searchsorted(cuts, column, side="right"))
    return np.stack(columns, axis=1) + np.arange(len(columns)) * BINS * FINE


def _distances(codes: Ints, n: int) -> Floats:
    counts = _counts(codes, n)
    return np.stack([_psi(*counts), _ks(*counts)])


def _counts(codes: Ints, n: int) -> tuple[Floats, Floats]:
    """Return the share of each sub-bin per column, shape (columns, bins), of the first `n` rows and of the rest."""
    columns, bins = codes.shape[1], BINS * FINE

    def shares(part: NDArray[np.int64]) -> Floats:
        return np.bincount(part.ravel(), minlength=columns * bins).reshape(columns, bins) / len(part)

    return shares(codes[:n]), shares(codes[n:])


def _psi(reference: Floats, sample: Floats) -> Floats:
    a, b = (np.maximum(x.reshape(len(x), BINS, FINE).sum(axis=2), SHARE_FLOOR) for x in (reference, sample))
    result: Floats = ((b - a) * np.log(b / a)).sum(axis=1)
    return result


def _ks(reference: Floats, sample: Floats) -> Floats:
    result: Floats = np.abs(np.cumsum(reference - sample, axis=1)).max(axis=1)
    return result
