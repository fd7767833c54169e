"""Calibration tests whose standard errors allow for dependence between rows of a day and of neighbouring days.

In all functions `y` holds labels of 0 and 1, `p` predicted probabilities and `day` days since 1970, each of shape
(rows,), in any order; where a function takes values, both are of any number.
"""

from dataclasses import dataclass, replace

import numpy as np
from arch.bootstrap import StationaryBootstrap
from scipy.special import logit
from scipy.stats import norm
from statsmodels.genmod.families import Binomial, Gaussian
from statsmodels.genmod.generalized_linear_model import GLM

from workers.bars.series import Floats, Ints
from workers.judging.statistics.bootstrap import block_length
from workers.scoring.ewc import mean_of
from workers.scoring.log_loss import CLIP
from workers.scoring.metrics import equal_bins

SMALLEST_TAIL = 1e-300  # its z is finite


@dataclass(frozen=True)
class Spiegelhalter:
    """Mean of `(y - p)(1 - 2p)` as the z of a normal distribution that has its p, and its two-sided p."""

    z: float
    p: float


@dataclass(frozen=True)
class Beside:
    """Excess of two models' Brier scores over what their probabilities expect, and the test that both are equal.

    `excess`, `other`: means per row; 0 for calibrated predictions, above 0 for too confident ones. `z`, `p`: as of
    `Spiegelhalter`, of their difference.
    """

    excess: float
    other: float
    z: float
    p: float


@dataclass(frozen=True)
class Slope:
    """Slope of the labels' log odds on the predicted log odds, with a 95 % interval; 1 for calibrated predictions.

    A slope below 1 means predictions that are too confident. `intercept`: the labels' log odds where 0.5 is predicted;
    0 for calibrated predictions. Of values both are of the values themselves.
    """

    slope: float
    low: float
    high: float
    intercept: float


@dataclass(frozen=True)
class Bounds:
    """A 95 % interval."""

    low: float
    high: float


def spiegelhalter_by_day(y: Floats, p: Floats, day: Ints) -> Spiegelhalter:
    """Test the calibration of probabilities by Spiegelhalter's statistic, summed per day.

    The standard error is EWC's over the daily sums, instead of the binomial one, which assumes independent rows.
    Source: Spiegelhalter (1986), Probabilistic prediction in patient management.
    """
    return _by_day(_excess(y, p), day)


def beside_by_day(y: Floats, p: Floats, q: Floats, day: Ints) -> Beside:
    """Test whether the probabilities `p` are calibrated as `q` is, by the difference of Spiegelhalter's statistics.

    An error that both have, as that of an estimated base rate, cancels. ValueError if they are equal.
    """
    ours, theirs = _excess(y, p), _excess(y, q)
    found = _by_day(ours - theirs, day)
    return Beside(float(ours.mean()), float(theirs.mean()), found.z, found.p)


def _excess(y: Floats, p: Floats) -> Floats:
    """Squared error of each row less what `p` expects of it."""
    result: Floats = (y - p) * (1 - 2 * p)
    return result


def _by_day(values: Floats, day: Ints) -> Spiegelhalter:
    """Test that the sums per day of `values`, one per row, have the mean 0. ValueError if they are constant."""
    _, index = np.unique(day, return_inverse=True)
    found = mean_of(np.bincount(index, weights=values).astype(np.float64))
    tail = max(replace(found, value=abs(found.value)).p_above(0.0), SMALLEST_TAIL)
    return Spiegelhalter(float(np.copysign(norm.isf(tail), found.t)), 2 * tail)


def error_of_added(y: Floats, p: Floats, q: Floats, day: Ints) -> Beside:
    """Test whether values `p` add as much to `q` as labels show: that errors do not depend on what is added.

    `excess` is the mean of `(p - q) * (p - y)`, above 0 where too much is added; `other` is that of `q`, 0. ValueError
    if `p` and `q` are equal.
    """
    excess = (p - q) * (p - y)
    found = _by_day(excess, day)
    return Beside(float(excess.mean()), 0.0, found.z, found.p)


def bias_by_day(y: Floats, p: Floats, day: Ints) -> Spiegelhalter:
    """Test that the mean error of values, label less prediction, is 0, with EWC's error over the daily sums."""
    return _by_day(y - p, day)


def slope_by_day(y: Floats, p: Floats, day: Ints, lags: int, *, values: bool = False) -> Slope:
    """Regress labels on predicted log odds by logistic regression, or values on predicted ones by least squares.

    Standard errors allow for dependence within a day and over `lags` days. Source: Cox (1958) and, of values, Mincer
    and Zarnowitz (1969) for the regression, Driscoll and Kraay (1998) for its errors.
    """
    order = np.argsort(day, kind="stable")
    _, index = np.unique(day[order], return_inverse=True)
    x = p[order] if values else logit(np.clip(p[order], CLIP, 1 - CLIP))
    family = Gaussian() if values else Binomial()
    fit = GLM(y[order], np.column_stack([np.ones(len(y)), x]), family=family).fit(
        cov_type="hac-groupsum", cov_kwds={"time": index, "maxlags": lags}
    )
    low, high = fit.conf_int()[1]
    return Slope(float(fit.params[1]), float(low), float(high), float(fit.params[0]))


def ece_by_day(y: Floats, p: Floats, day: Ints, *, min_block: int, repetitions: int, seed: int) -> Bounds:
    """Compute a 95 % bootstrap interval of the expected calibration error: days resampled in blocks, bins fixed."""
    bins = equal_bins(p)
    days, index = np.unique(day, return_inverse=True)
    gap = np.zeros((len(days), int(bins.max()) + 1))
    np.add.at(gap, (index, bins), y - p)
    count = np.bincount(index).astype(np.float64)
    block = block_length(gap.sum(axis=1), min_block)
    bootstrap = StationaryBootstrap(block, np.arange(len(days)), seed=np.random.default_rng(seed))
    errors = [
        np.abs(gap[rows].sum(axis=0)).sum() / count[rows].sum()
        for rows in (sample[0][0] for sample in bootstrap.bootstrap(repetitions))
    ]
    low, high = np.quantile(errors, [0.025, 0.975])
    return Bounds(float(low), float(high))
