"""The benchmark of sizes: its worlds make the hypotheses true, and the tests that it counts are the project's own."""

import numpy as np
import pytest

from benchmarks.sizes import TESTS, p_of


@pytest.mark.parametrize("name", TESTS)
def test_a_world_has_a_p(name: str) -> None:
    """Each test returns a p of one world, the same for the same seed."""
    p = p_of(name, 1)
    assert 0.0 <= p <= 1.0 and p == p_of(name, 1)


@pytest.mark.parametrize("name", ["alpha beside always long", "Diebold-Mariano", "Spiegelhalter's z"])
def test_a_true_hypothesis_has_uniform_p(name: str) -> None:
    """Of 200 worlds about half have p below 0.5."""
    assert 0.4 < np.mean([p_of(name, seed) < 0.5 for seed in range(200)]) < 0.6
