"""The log loss of probabilities, its skill relative to a baseline, and daily means."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workers.bars.series import Floats

CLIP = 1e-6  # probabilities are kept this far from 0 and 1, so that one row's loss is finite


def log_losses(y: ArrayLike, p: ArrayLike) -> Floats:
    """Return the log loss of each row in nats, shape (rows,), for labels `y` and probabilities `p` of label 1.

    Labels may be any value between 0 and 1. Probabilities are clipped to 1e-6 from 0 and 1.
    """
    truth, clipped = np.asarray(y, dtype=np.float64), np.clip(np.asarray(p, dtype=np.float64), CLIP, 1 - CLIP)
    losses: Floats = -(truth * np.log(clipped) + (1.0 - truth) * np.log1p(-clipped))
    return losses


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Return the mean log loss in nats per row."""
    return float(log_losses(y, p).mean())


def skill(loss: float, baseline_loss: float) -> float:
    """Return `1 - loss / baseline_loss`: 1 for a perfect forecast, above 0 for one better than the baseline."""
    return 1.0 - loss / baseline_loss


def daily_means(day: NDArray[np.int64], value: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the distinct days in order and the mean of `value` on each; arguments have shape (rows,)."""
    days, index = np.unique(day, return_inverse=True)
    return days, np.bincount(index, weights=value) / np.bincount(index)
