"""ONNX graphs, computed by onnxruntime beside the models that they stand for."""

import numpy as np
import pytest

from schemas.config.model_kinds import ModelRole
from schemas.contract.errors import RequestError
from tests.strategies import recipe
from workers.export.onnx_file import largest_difference
from workers.export.onnx_graph import onnx_of
from workers.models.base import Model, sigmoid
from workers.models.registry import type_of
from workers.models.stored_student import as_teacher_sees

# All in one process: torch and scikit-learn are not loaded, but onnxruntime and LightGBM take seconds.
pytestmark = pytest.mark.xdist_group("onnx")
ROWS, FEATURES = 400, 4
NAMES = tuple(f"f{number}" for number in range(FEATURES))


def fitted(
    kind: str, role: ModelRole, missing: bool
) -> tuple[Model, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """A model of a kind on rows with or without missing values, scaled, and rows that have some in any case."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, FEATURES)).round(1)  # many values lie on a threshold
    y = (x[:, 0] + rng.normal(size=ROWS) > 0).astype(float)
    gaps = rng.random(x.shape) < 0.1
    seen = np.where(gaps, np.nan, x) if missing else x
    teaches = role == "teacher"
    given = as_teacher_sees(seen) if teaches else seen
    model = type_of(kind).fit(given, y, np.ones(ROWS), np.zeros(ROWS), recipe(kind, role))
    return (model if teaches else model.scaled(0.7)), np.where(gaps, np.nan, x)


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("logistic", "student"),
        ("booster", "student"),
        ("lightgbm", "student"),
        ("xgboost", "teacher"),
        ("lightgbm", "teacher"),
    ],
)
def test_a_graph_gives_the_probabilities_of_its_model(kind: str, role: ModelRole, missing: bool) -> None:
    """Also of rows with missing values, whether or not the model was fitted on some, and of values on a threshold."""
    model, x = fitted(kind, role, missing)
    offset = np.linspace(-1, 1, ROWS)
    expected = model.predict(as_teacher_sees(x), offset) if role == "teacher" else sigmoid(offset + model.margin(x))
    content = onnx_of({role: model}, NAMES, {})
    assert largest_difference(content, x, offset, expected) < 1e-6


def test_a_student_adds_its_teacher() -> None:
    """The margins of both are added to the offset; the teacher sees single precision."""
    student, x = fitted("logistic", "student", True)
    teacher = fitted("xgboost", "teacher", True)[0].scaled(0.4)
    offset = np.zeros(ROWS)
    expected = sigmoid(student.margin(x) + teacher.margin(as_teacher_sees(x)))
    assert largest_difference(onnx_of({"student": student, "teacher": teacher}, NAMES, {}), x, offset, expected) < 1e-6


def test_a_kind_without_a_graph_is_refused() -> None:
    """By name, with the kinds that have one."""
    model, _ = fitted("random-forest", "student", False)
    with pytest.raises(RequestError, match="kind random-forest has no ONNX graph; logistic, xgboost"):
        onnx_of({"student": model}, NAMES, {})
