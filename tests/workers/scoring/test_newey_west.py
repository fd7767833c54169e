"""The Newey-West standard error of a mean, against its formula."""

import numpy as np
import pytest

from workers.bars.series import Floats
from workers.scoring.newey_west import is_constant, newey_west


def newey_west_error(x: Floats, lags: int) -> float:
    """The estimator written out: the weights of the autocovariances fall linearly to 0 beyond the last lag."""
    n, centred = len(x), x - x.mean()
    total = (centred**2).sum()
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (centred[lag:] * centred[:-lag]).sum()
    return float(np.sqrt(total) / n)


@pytest.mark.parametrize("lags", [0, 3, 9])
def test_error_is_its_formula(lags: int) -> None:
    """The error equals the formula; t is the mean over it."""
    x = np.convolve(np.random.default_rng(3).normal(size=204), np.ones(5), "valid") + 0.2
    found = newey_west(x, lags)
    assert (found.mean, found.n) == (pytest.approx(x.mean()), 200)
    assert found.error == pytest.approx(newey_west_error(x, lags), rel=1e-12)
    assert found.t == pytest.approx(found.mean / found.error)


@pytest.mark.parametrize("value", [0.0, 0.1, 3.0])
def test_a_constant_has_no_error(value: float) -> None:
    """A constant is refused instead of giving an infinite t."""
    with pytest.raises(ValueError, match="constant"):
        newey_west(np.full(300, value), 3)


@pytest.mark.parametrize(("spread", "constant"), [(0.0, True), (1e-16, True), (1e-9, False)])
def test_a_constant_is_one_up_to_rounding(spread: float, constant: bool) -> None:
    """Values that differ by less than rounding of their size are constant; losses that differ at all are not."""
    assert is_constant(0.1 + spread * np.arange(5, dtype=np.float64)) is constant
