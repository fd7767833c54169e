"""Metrics of predictions and decisions beside their loss.

`y` holds labels of 0 and 1 and `p` predicted probabilities of label 1, each of shape (rows,), unless a function takes
values.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from workers.bars.series import Floats, Ints

BINS = 15  # bins of equal mass


@dataclass(frozen=True)
class Brier:
    """The Brier score and its decomposition over bins of equal mass. Source: Murphy (1973).

    `score` equals `reliability - resolution + uncertainty` up to the spread of predictions within a bin.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


def equal_bins(p: Floats, bins: int = BINS) -> Ints:
    """Return the bin of each row, shape (rows,): bins of equal mass; equal predictions share a bin."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    result: Ints = np.searchsorted(edges, p, side="right")
    return result


def brier(y: Floats, p: Floats) -> Brier:
    """Compute the Brier score and its decomposition."""
    bins = equal_bins(p)
    count = np.bincount(bins)
    kept = count > 0
    share = count[kept] / len(y)
    rate, predicted = (np.bincount(bins, weights=x)[kept] / count[kept] for x in (y, p))
    base = float(y.mean())
    return Brier(
        float(((y - p) ** 2).mean()),
        float((share * (predicted - rate) ** 2).sum()),
        float((share * (rate - base) ** 2).sum()),
        base * (1 - base),
    )


def ece(y: Floats, p: Floats) -> float:
    """Compute the expected calibration error: mean distance of predicted and actual rate over bins of equal mass."""
    return float(np.abs(np.bincount(equal_bins(p), weights=y - p)).sum() / len(y))


def sign_accuracy(y: Floats, p: Floats) -> float | None:
    """Share of rows whose value has the predicted sign; those where either is 0 do not count. None without others."""
    known = (y != 0) & (p != 0)
    return float((np.sign(y[known]) == np.sign(p[known])).mean()) if known.any() else None


def auc(y: Floats, p: Floats) -> float | None:
    """Compute the area under the ROC curve; None if one class is absent."""
    return float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None


def mcc(y: Floats, decision: NDArray[np.bool_]) -> float | None:
    """Compute the Matthews correlation of decisions and labels; None if either is constant."""
    if decision.all() or not decision.any() or not 0 < y.sum() < len(y):
        return None
    return float(matthews_corrcoef(y, decision))
