"""How well probabilities order and size what happened, and how often a decision was right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import matthews_corrcoef, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from workers.bars.series import Floats, Ints
from workers.scoring.newey_west import Mean, newey_west

BINS = 15  # of equal mass
MIN_RANKED_SYMBOLS = 3


@dataclass(frozen=True)
class Brier:
    """Mean squared error of probabilities, and Murphy's (1973) parts of it over bins of equal mass.

    `score` is `reliability - resolution + uncertainty` up to the spread of predictions within a bin.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


@dataclass(frozen=True)
class HitRate:
    """A share with Wilson's 95 % interval."""

    rate: float
    low: float
    high: float


def equal_bins(p: Floats, bins: int = BINS) -> Ints:
    """The bin of each row: `bins` of equal mass by rank, equal predictions in one bin."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    result: Ints = np.searchsorted(edges, p, side="right")
    return result


def brier(y: Floats, p: Floats) -> Brier:
    """Brier's score and its parts."""
    bins = equal_bins(p)
    count = np.bincount(bins)
    kept = count > 0
    share = count[kept] / len(y)
    rate, said = (np.bincount(bins, weights=x)[kept] / count[kept] for x in (y, p))
    base = float(y.mean())
    return Brier(
        float(((y - p) ** 2).mean()),
        float((share * (said - rate) ** 2).sum()),
        float((share * (rate - base) ** 2).sum()),
        base * (1 - base),
    )


def ece(y: Floats, p: Floats) -> float:
    """Expected calibration error: mean distance of what was said and what came, over bins of equal mass."""
    return float(np.abs(np.bincount(equal_bins(p), weights=y - p)).sum() / len(y))


def auc(y: Floats, p: Floats) -> float | None:
    """Area under the receiver's curve; None where one class is absent."""
    return float(roc_auc_score(y, p)) if 0 < y.sum() < len(y) else None


def mcc(y: Floats, decision: NDArray[np.bool_]) -> float | None:
    """Matthews' correlation of decisions and labels; None where one of the two never changes."""
    if decision.all() or not decision.any() or not 0 < y.sum() < len(y):
        return None
    return float(matthews_corrcoef(y, decision))


def hit_rate(hits: NDArray[np.bool_]) -> HitRate:
    """Share of hits with Wilson's (1927) interval."""
    low, high = proportion_confint(int(hits.sum()), len(hits), method="wilson")
    return HitRate(float(hits.mean()), float(low), float(high))


def rank_ic(day: Ints, p: Floats, forward_return: Floats, lags: int) -> Mean | None:
    """Mean over days of the rank correlation of predictions and returns between symbols, with a Newey-West t.

    Days with fewer than three symbols, or where either is the same for all, do not count; None where none does.
    """
    order = np.argsort(day, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(day[order])) + 1)
    daily = []
    for rows in parts:
        if len(rows) >= MIN_RANKED_SYMBOLS:
            ranks = rankdata(p[rows]), rankdata(forward_return[rows])
            if min(rank.std() for rank in ranks) > 0:
                daily.append(float(np.corrcoef(*ranks)[0, 1]))
    values = np.array(daily)
    return newey_west(values, lags) if len(values) > lags + 1 and values.std() > 0 else None
