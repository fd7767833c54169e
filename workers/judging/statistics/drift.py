"""Has a feature moved further than blocks of days do by chance? Fixed bounds call every slow feature drifted."""

from dataclasses import dataclass

import numpy as np
from arch.bootstrap import StationaryBootstrap
from numpy.typing import NDArray

from workers.bars.series import Floats, Ints

BINS = 10  # of equal mass over all rows, for the stability index
FINE = 10  # parts of each, for the distance between distributions
SHARE_FLOOR = 1e-4  # of an empty bin


@dataclass(frozen=True)
class Drift:
    """Population stability index and Kolmogorov-Smirnov distance, each beside the bound that chance keeps to."""

    psi: float
    psi_threshold: float
    ks: float
    ks_threshold: float

    @property
    def drifted(self) -> bool:
        """Whether both are beyond what chance does."""
        return self.psi > self.psi_threshold and self.ks > self.ks_threshold


def psi(reference: Floats, sample: Floats) -> float:
    """Population stability index over ten bins of equal mass; an empty bin counts a share of 1e-4."""
    counts = _counts(_codes(np.concatenate([reference, sample])[:, None]), len(reference))
    return float(_psi(*counts)[0])


def ks(reference: Floats, sample: Floats) -> float:
    """Largest distance between the two distribution functions at a hundred quantiles of all rows."""
    counts = _counts(_codes(np.concatenate([reference, sample])[:, None]), len(reference))
    return float(_ks(*counts)[0])


def drift(rows: Floats, n: int, *, block: float, quantile: float, repetitions: int, seed: int) -> list[Drift]:
    """Both distances of each column between the first `n` rows and the rest.

    Args: rows, shape (rows, columns), in order of time; block, mean length of the bootstrap's blocks, in rows. The
    bounds come from bootstrap samples of all rows, cut in the same place: what no drift would give.
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
    """The fine bin of each value in its column; equal values share one. NaN is the last bin."""
    edges = np.linspace(0, 1, BINS * FINE + 1)[1:-1]
    columns = []
    for column in rows.T:
        known = column[np.isfinite(column)]
        cuts = np.quantile(known, edges, method="higher") if len(known) else edges
        columns.append(np.searchsorted(cuts, column, side="right"))
    return np.stack(columns, axis=1)


def _distances(codes: Ints, n: int) -> Floats:
    counts = _counts(codes, n)
    return np.stack([_psi(*counts), _ks(*counts)])


def _counts(codes: Ints, n: int) -> tuple[Floats, Floats]:
    """Share of each fine bin in each column, (columns, bins): of the first `n` rows, and of the rest."""
    columns, bins = codes.shape[1], BINS * FINE
    flat = codes + np.arange(columns) * bins

    def shares(part: NDArray[np.int64]) -> Floats:
        return np.bincount(part.ravel(), minlength=columns * bins).reshape(columns, bins) / len(part)

    return shares(flat[:n]), shares(flat[n:])


def _psi(reference: Floats, sample: Floats) -> Floats:
    a, b = (np.maximum(x.reshape(len(x), BINS, FINE).sum(axis=2), SHARE_FLOOR) for x in (reference, sample))
    result: Floats = ((b - a) * np.log(b / a)).sum(axis=1)
    return result


def _ks(reference: Floats, sample: Floats) -> Floats:
    result: Floats = np.abs(np.cumsum(reference - sample, axis=1)).max(axis=1)
    return result
