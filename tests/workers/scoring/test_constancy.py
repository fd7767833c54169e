"""Which series are constant, and which are equal."""

import numpy as np
import pytest

from workers.scoring.constancy import equal_to_rounding, is_constant


@pytest.mark.parametrize(("spread", "constant"), [(0.0, True), (1e-16, True), (1e-9, False)])
def test_a_constant_is_one_up_to_rounding(spread: float, constant: bool) -> None:
    """Values that differ by less than rounding of their size are constant; losses that differ at all are not."""
    assert is_constant(0.1 + spread * np.arange(5, dtype=np.float64)) is constant


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_what_is_equal_does_not_depend_on_the_unit(size: float) -> None:
    """Squared errors of small labels that differ in their sixth digit are not equal; rounding is, at any size."""
    losses = size * np.array([0.25, 0.5, 1.0])
    assert equal_to_rounding(losses, losses * (1 + 1e-15)).all()
    assert not equal_to_rounding(losses, losses * (1 + 1e-6)).any()
    assert equal_to_rounding(np.empty(0), np.empty(0)).all()
