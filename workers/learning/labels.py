"""Forward-return labels: decide at the close of `t`, enter at the next open, exit at the close of `t + horizon`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.bars.series import Floats, Ints, Series


@dataclass(frozen=True)
class Labels:
    """One label a bar, for the bars whose label's end is known.

    Bar indices: `t0` decision, `t1` end of the label. `forward_return` is gross; `y` is 1 where it
    exceeds the threshold.
    """

    t0: Ints
    t1: Ints
    forward_return: Floats
    y: NDArray[np.int8]


def fixed_horizon(series: Series, horizon_bars: int, threshold: float) -> Labels:
    """Label every bar that has `horizon_bars` bars after it; the last ones, still open, have none."""
    count = max(len(series) - horizon_bars, 0)
    t0 = np.arange(count)
    forward_return = series.close[t0 + horizon_bars] / series.open[t0 + 1] - 1.0 if count else np.empty(0)
    return Labels(t0, t0 + horizon_bars, forward_return, (forward_return > threshold).astype(np.int8))


def uniqueness(t0: Ints, t1: Ints) -> Floats:
    """Mean of 1 / (labels alive) over each label's bars `(t0, t1]`; sums to the effective number of rows.

    Source: Lopez de Prado, Advances in Financial Machine Learning, section 4.3.
    """
    if not len(t0):
        return np.empty(0)
    first = int(t0.min()) + 1
    alive = np.zeros(int(t1.max()) - first + 2)
    np.add.at(alive, t0 + 1 - first, 1.0)
    np.add.at(alive, t1 + 1 - first, -1.0)
    counts = np.cumsum(alive)[:-1]
    inverse = np.where(counts > 0, 1.0 / np.maximum(counts, 1.0), 0.0)
    cumulative = np.concatenate([[0.0], np.cumsum(inverse)])
    result: Floats = (cumulative[t1 + 1 - first] - cumulative[t0 + 1 - first]) / (t1 - t0)
    return result
