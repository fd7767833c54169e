"""The two families of targets: how margins become predictions, and what a wrong prediction costs.

A class has the logistic function and the log loss, a value the identity and the squared error. Source: McCullagh and
Nelder (1989), Generalized linear models.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from schemas.config.target import CLASS, LOSSES, VALUE, Loss, Target
from workers.bars.series import Floats
from workers.scoring.log_loss import CLIP, log_losses

# Labels of classes are 0 and 1, those of values any finite number.
LabelValues = NDArray[Any]


class Family(ABC):
    """What depends on the target of models; `y` are labels, `p` predictions, one per row."""

    target: Target

    @property
    def loss(self) -> Loss:
        """The names of its loss."""
        return LOSSES[self.target]

    @abstractmethod
    def prediction(self, margin: Floats) -> Floats:
        """Predictions of margins."""

    @abstractmethod
    def margin(self, p: Floats) -> Floats:
        """Margins of predictions."""

    @abstractmethod
    def curvature(self, p: Floats, weight: Floats) -> Floats:
        """Second derivative of half the weighted deviance of a row by its margin."""

    @abstractmethod
    def losses(self, y: ArrayLike, p: ArrayLike) -> Floats:
        """The loss of each row."""

    @abstractmethod
    def gains(self, prior: Floats, p: Floats) -> tuple[Floats, Floats]:
        """How much lower the loss of `p` is than that of `prior` if the label is 1, and if it is 0, per row.

        It is linear in the label.
        """

    @abstractmethod
    def can_fit(self, y: LabelValues, least: int) -> bool:
        """Whether labels hold something to learn: `least` rows of each class, or twice as many that are not equal."""

    def mean_loss(self, y: ArrayLike, p: ArrayLike) -> float:
        """The mean loss per row."""
        return float(self.losses(y, p).mean())


class Classes(Family):
    """Labels of 0 and 1; predictions are probabilities of 1."""

    target = CLASS

    def prediction(self, margin: Floats) -> Floats:
        """The logistic function."""
        result: Floats = expit(margin)
        return result

    def margin(self, p: Floats) -> Floats:
        """Log odds of probabilities, kept CLIP from 0 and 1."""
        result: Floats = logit(np.clip(p, CLIP, 1.0 - CLIP))
        return result

    def curvature(self, p: Floats, weight: Floats) -> Floats:
        """Variance of a label, weighted."""
        return weight * p * (1.0 - p)

    def losses(self, y: ArrayLike, p: ArrayLike) -> Floats:
        """The log loss of each row in nats."""
        return log_losses(y, p)

    def gains(self, prior: Floats, p: Floats) -> tuple[Floats, Floats]:
        """As of every family; probabilities are kept CLIP from 0 and 1."""
        ours, theirs = (np.clip(each, CLIP, 1 - CLIP) for each in (p, prior))
        return np.log(ours / theirs), np.log((1 - ours) / (1 - theirs))

    def can_fit(self, y: LabelValues, least: int) -> bool:
        """Whether there are `least` rows of each class."""
        ones = int(y.sum())
        return min(ones, len(y) - ones) >= least


class Values(Family):
    """Labels of any finite number; predictions are of their mean."""

    target = VALUE

    def prediction(self, margin: Floats) -> Floats:
        """The margin itself."""
        return margin

    def margin(self, p: Floats) -> Floats:
        """The prediction itself."""
        return p

    def curvature(self, p: Floats, weight: Floats) -> Floats:
        """The weight."""
        return weight

    def losses(self, y: ArrayLike, p: ArrayLike) -> Floats:
        """The squared error of each row."""
        result: Floats = (np.asarray(y, dtype=np.float64) - np.asarray(p, dtype=np.float64)) ** 2
        return result

    def gains(self, prior: Floats, p: Floats) -> tuple[Floats, Floats]:
        """As of every family."""
        if_zero: Floats = prior**2 - p**2
        return if_zero + 2.0 * (p - prior), if_zero

    def can_fit(self, y: LabelValues, least: int) -> bool:
        """Whether there are twice `least` rows, and two different labels."""
        return len(y) >= 2 * least and bool(np.ptp(y) > 0)


FAMILIES: dict[Target, Family] = {each.target: each for each in (Classes(), Values())}
