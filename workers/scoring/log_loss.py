"""Scores of probabilities against what happened, and of trades after their cost."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.bars.series import Floats

CLIP = 1e-6


def log_losses(y: ArrayLike, p: ArrayLike) -> Floats:
    """-log of the probability given to what happened, one value a row; p is kept 1e-6 away from 0 and 1."""
    truth, clipped = np.asarray(y, dtype=np.float64), np.clip(np.asarray(p, dtype=np.float64), CLIP, 1 - CLIP)
    losses: Floats = -(truth * np.log(clipped) + (1.0 - truth) * np.log1p(-clipped))
    return losses


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean of `log_losses`."""
    return float(log_losses(y, p).mean())


def skill(loss: float, baseline_loss: float) -> float:
    """1 - loss / baseline_loss: above 0 is better than the baseline."""
    return 1.0 - loss / baseline_loss


def daily_means(day: NDArray[np.int64], value: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Days in order and the mean of `value` on each."""
    days, index = np.unique(day, return_inverse=True)
    return days, np.bincount(index, weights=value) / np.bincount(index)
