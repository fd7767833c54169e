"""Whether a series is constant, and whether two are equal, but for rounding."""

import numpy as np
from numpy.typing import NDArray

from workers.bars.series import Floats

SMALLEST = 1e-3  # losses in nats and returns that differ at all differ by more
ROUNDING = 1e-12  # relative to the values: the standard deviation of a constant is rarely exactly 0


def equal_to_rounding(x: Floats, z: Floats) -> NDArray[np.bool_]:
    """Whether each value of `x` and `z`, of one shape, differs by no more than rounding does at their magnitude.

    That is the largest absolute value of both.
    """
    size = max(np.abs(x).max(initial=0.0), np.abs(z).max(initial=0.0))
    result: NDArray[np.bool_] = np.abs(x - z) <= ROUNDING * size
    return result


def is_constant(x: Floats, size: float | None = None) -> bool:
    """Return whether `x` varies by no more than rounding does at magnitude `size`.

    `size`: by default the largest absolute value of `x`; never less than 1e-3.
    """
    return bool(np.ptp(x) <= ROUNDING * max(SMALLEST, np.abs(x).max() if size is None else size))
