"""Whether a series is constant but for rounding."""

import numpy as np

from workers.bars.series import Floats

SMALLEST = 1e-3  # losses in nats and returns that differ at all differ by more
ROUNDING = 1e-12  # relative to the values: the standard deviation of a constant is rarely exactly 0


def is_constant(x: Floats, size: float | None = None) -> bool:
    """Return whether `x` varies by no more than rounding does at magnitude `size`.

    `size`: by default the largest absolute value of `x`; never less than 1e-3.
    """
    return bool(np.ptp(x) <= ROUNDING * max(SMALLEST, np.abs(x).max() if size is None else size))
