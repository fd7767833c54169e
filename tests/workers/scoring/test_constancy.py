"""Which series are constant."""

import numpy as np
import pytest

from workers.scoring.constancy import is_constant


@pytest.mark.parametrize(("spread", "constant"), [(0.0, True), (1e-16, True), (1e-9, False)])
def test_a_constant_is_one_up_to_rounding(spread: float, constant: bool) -> None:
    """Values that differ by less than rounding of their size are constant; losses that differ at all are not."""
    assert is_constant(0.1 + spread * np.arange(5, dtype=np.float64)) is constant
