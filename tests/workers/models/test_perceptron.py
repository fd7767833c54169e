"""The perceptron's file; what every kind of model holds is in test_kinds.py, skipped where PyTorch is not installed."""

import json
from typing import Any

import numpy as np
import pytest

from workers.models.perceptron import CHUNK_ROWS, PerceptronModel

PARTS: dict[str, Any] = {
    "features": ["a", "b"], "last": 0.5, "steps": 3, "factor": 2.0, "centre": [1.0, 0.0], "scale": [2.0, 1.0],
    "inner": [[1.0, -1.0], [0.5, 0.0]], "bias": [0.0, -1.0], "outer": [1.0, 4.0],
}  # fmt: skip


def decoded(**changes: Any) -> PerceptronModel:
    """The model of these parts, with some replaced."""
    return PerceptronModel.decode(json.dumps(PARTS | changes).encode())[0]


def test_a_stored_model_needs_no_pytorch() -> None:
    """By hand: inputs of 5 and 1 are 2 and 1 when standardised, the units 1 and 0, the margin 2 * (1 + 0.5)."""
    model = decoded()
    assert model.margin(np.array([[5.0, 1.0]])).tolist() == [3.0]
    # A missing input counts as its centre: the units are then 0 and 0, or 1 and 0.
    assert model.margin(np.array([[np.nan, np.nan], [np.nan, -1.0]])).tolist() == [1.0, 3.0]
    assert PerceptronModel.decode(model.encode(("a", "b")))[0].encode(("a", "b")) == model.encode(("a", "b"))


def test_a_row_has_the_same_bits_alone_and_among_others() -> None:
    """Sums are per row, so that a prediction does not depend on the rows beside it."""
    x = np.random.default_rng(0).normal(size=(CHUNK_ROWS + 7, 2))
    model = decoded()
    alone = [model.margin(x[row : row + 1])[0] for row in (0, 5, CHUNK_ROWS, CHUNK_ROWS + 6)]
    assert alone == model.margin(x)[[0, 5, CHUNK_ROWS, CHUNK_ROWS + 6]].tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"bias": [0.0]},
        {"inner": [[1.0], [0.5]]},
        {"outer": "x"},
        {"last": None},
        {"factor": float("nan")},
        {"scale": [0.0, 1.0]},
        {"features": ["a"]},
        {"centre": None},
    ],
)
def test_a_file_of_other_shapes_or_numbers_is_refused(changes: dict[str, Any]) -> None:
    """ValueError, which readers turn into an error with the file's name."""
    with pytest.raises(ValueError, match=r"."):
        decoded(**changes)
