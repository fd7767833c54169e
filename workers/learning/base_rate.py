"""The strong base rate: a symbol's share of positives over all labels known by then, drawn to the panel's share.

Of labels that are values it is the historical mean, drawn to the panel's mean in the same way.

It is the offset of every model and the opponent of every score. "Known" is causal: the label's whole horizon ended an
embargo before the window's end. How far a share is drawn follows from how much the symbols' shares differ beyond
their sampling errors.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from schemas.config.target import VALUE, Target
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import KnownLabels, LabelCount, ValueSums
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Series
from workers.learning.labels import Labels, uniqueness
from workers.scoring.family import LabelValues

# Offsets are logits of shares kept this far from 0 and 1.
EPSILON = 1e-4
# Of a label, relative to its square.
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class LabelTimes:
    """What a base rate needs of one symbol: each label's value and span, and the first bar of each session.

    `t0`, `t1` and `y` have one value per label that may be used, in ascending order of `t0`; `session` (days since
    1970) and `first_bar` one per session. A label of bar `t` is known once bar `t + reach` has passed.
    """

    t0: NDArray[np.int32]
    t1: NDArray[np.int32]
    y: LabelValues
    session: NDArray[np.int32]
    first_bar: NDArray[np.int32]
    bars: int
    reach: int
    target: Target

    def count(self, end: date) -> KnownLabels:
        """Weights of the labels that are known before the first bar of day `end`, each label by its uniqueness."""
        place = int(np.searchsorted(self.session, day_number(end)))
        before = int(self.first_bar[place]) if place < len(self.session) else self.bars
        many = int(np.searchsorted(self.t0, before - self.reach))
        weight = uniqueness(self.t0[:many].astype(np.int64), self.t1[:many].astype(np.int64))
        total, summed = float(weight.sum()), float((weight * self.y[:many]).sum())
        if self.target == VALUE:
            return ValueSums(summed, total, float((weight * self.y[:many] ** 2).sum()))
        return LabelCount(summed, total)


def label_times(series: Series, labels: Labels, used: NDArray[np.bool_], settings: TrainingSettings) -> LabelTimes:
    """Labels of a symbol, without those that are not `used`, for its base rate.

    The whole horizon counts even where a barrier was met earlier; otherwise labels that ended early are favoured.
    """
    session, first_bar = np.unique(series.session, return_index=True)
    return LabelTimes(
        labels.t0[used].astype(np.int32), labels.t1[used].astype(np.int32), labels.y[used],
        session.astype(np.int32), first_bar.astype(np.int32), len(series),
        settings.horizon_bars + settings.embargo_bars, settings.target,
    )  # fmt: skip


def base_rates(positives: Floats, total: Floats) -> tuple[Floats, float]:
    """Share of positives per symbol, drawn to the pooled share, and the pooled share; 0.5 where nothing is known.

    `positives` and `total` are weights of independent labels, shape (symbols,). A share is drawn to the pooled one as
    by K labels of that share, K = pooled * (1 - pooled) / (variance between symbols), infinite for no variance.
    Source of that variance: DerSimonian and Laird (1986), Meta-analysis in clinical trials.
    """
    positives, total = np.maximum(positives, 0.0), np.maximum(total, 0.0)
    if not total.sum() > 0:
        return np.full(len(total), 0.5), 0.5
    pooled = float(min(positives.sum() / total.sum(), 1.0))
    return _drawn(positives, total, pooled, pooled * (1.0 - pooled)), pooled


def historical_means(values: Floats, total: Floats, squares: Floats) -> tuple[Floats, float]:
    """Mean label per symbol, drawn to the pooled mean as shares are, and the pooled mean; 0 where nothing is known.

    Arguments are weighted sums of labels, of weights and of squared labels, shape (symbols,).
    """
    total = np.maximum(total, 0.0)
    if not total.sum() > 0:
        return np.zeros(len(total)), 0.0
    pooled, square = float(values.sum() / total.sum()), float(squares.sum() / total.sum())
    # Relative to the square no more than rounding is left of a smaller one.
    variance = square - pooled**2 if square - pooled**2 > LEAST_VARIANCE * square else 0.0
    return _drawn(values, total, pooled, variance), pooled


def _drawn(sums: Floats, total: Floats, pooled: float, variance: float) -> Floats:
    """Mean of each symbol's labels, drawn to the pooled mean; `variance` is that of one label."""
    prior_labels = _prior_labels(sums, total, pooled, variance)
    if not np.isfinite(prior_labels):
        return np.full(len(total), pooled)
    return (sums + prior_labels * pooled) / (total + prior_labels)


def _prior_labels(sums: Floats, total: Floats, pooled: float, variance: float) -> float:
    """Labels of the pooled mean that a symbol's own mean is drawn by; infinite if the means do not differ."""
    known = total > 0
    if known.sum() < 2 or variance <= LEAST_VARIANCE * pooled**2:
        # One symbol is its own panel: its mean is the pooled one.
        return float("inf")
    precision = total[known] / variance
    share = sums[known] / total[known]
    heterogeneity = float((precision * (share - pooled) ** 2).sum() - (known.sum() - 1))
    scale = precision.sum() * (1.0 - ((precision / precision.sum()) ** 2).sum())
    # No more than rounding is left of the scale where one symbol has nearly all labels.
    if heterogeneity <= 0 or scale <= 1e-9 * precision.sum():
        return float("inf")
    return variance * float(scale) / heterogeneity


def logits(shares: Floats) -> Floats:
    """Logit of each share, kept EPSILON away from 0 and 1."""
    inner = np.clip(shares, EPSILON, 1.0 - EPSILON)
    result: Floats = np.log(inner / (1.0 - inner))
    return result


def offsets_of(known: Floats, target: Target) -> tuple[Floats, float]:
    """The offset of each symbol's models, and that of the panel: log odds of base rates, or historical means.

    `known` has the fields of the symbols' `KnownLabels`, shape (fields, symbols).
    """
    if target == VALUE:
        return historical_means(*known)
    shares, pooled = base_rates(*known)
    return logits(shares), float(logits(np.array([pooled]))[0])
