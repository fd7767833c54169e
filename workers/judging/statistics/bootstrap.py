"""Block lengths of the stationary bootstrap of `arch`."""

import numpy as np
from arch.bootstrap import optimal_block_length

from workers.bars.series import Floats


def block_length(x: Floats, min_block: int) -> float:
    """Choose the mean block length of the stationary bootstrap from `x`, one value per day, in order of time.

    It is at least `min_block`, because overlapping labels make neighbouring days dependent, and at most `len(x)`.
    Source: Politis and White (2004), as corrected in 2009.
    """
    automatic = float(optimal_block_length(x)["stationary"].iloc[0]) if np.ptp(x) > 0 else 1.0
    return min(max(automatic, float(min_block)), float(len(x)))
