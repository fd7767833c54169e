"""ONNX graphs, computed by onnxruntime beside the models that they stand for."""

from dataclasses import replace

import numpy as np
import pytest

from schemas.config.model_kinds import ModelRole
from schemas.config.target import VALUE
from schemas.contract.errors import RequestError
from tests.strategies import recipe
from workers.export.onnx_file import largest_difference
from workers.export.onnx_graph import onnx_of
from workers.models.base import Model, sigmoid
from workers.models.perceptron import PerceptronModel
from workers.models.plugged import PluggedModel
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
        ("random-forest", "student"),
        ("extra-trees", "teacher"),
        ("hist-boosting", "student"),
    ],
)
def test_a_graph_gives_the_probabilities_of_its_model(kind: str, role: ModelRole, missing: bool) -> None:
    """Also of rows with missing values, whether or not the model was fitted on some, and of values on a threshold."""
    model, x = fitted(kind, role, missing)
    offset = np.linspace(-1, 1, ROWS)
    expected = model.predict(as_teacher_sees(x), offset) if role == "teacher" else sigmoid(offset + model.margin(x))
    content = onnx_of({role: model}, NAMES, {})
    assert largest_difference(content, x, offset, expected) < 1e-6


@pytest.mark.parametrize("kind", ["linear", "xgboost", "lightgbm", "random-forest", "hist-boosting"])
def test_a_graph_gives_the_values_of_its_model(kind: str) -> None:
    """Of the size of returns; the offset is the historical mean."""
    rng = np.random.default_rng(4)
    x = np.where(rng.random((ROWS, FEATURES)) < 0.1, np.nan, rng.normal(size=(ROWS, FEATURES)).round(1))
    y = 0.01 * (np.nan_to_num(x[:, 0]) + rng.normal(size=ROWS))
    offset, role = np.full(ROWS, 2e-4), "student" if kind == "linear" else "teacher"
    own = replace(recipe(kind, role), target=VALUE)  # type: ignore[arg-type]
    model = type_of(kind).fit(as_teacher_sees(x), y, np.ones(ROWS), offset, own)
    expected = offset + model.margin(as_teacher_sees(x))
    content = onnx_of({"teacher": model}, NAMES, {}, VALUE)
    assert np.ptp(expected) > 1e-3
    assert largest_difference(content, x, offset, expected) < 1e-6 * np.abs(expected).max()


def test_the_graph_of_a_perceptron_is_its_layers() -> None:
    """Made, not fitted, which would need PyTorch: of classes and of values."""
    rng = np.random.default_rng(5)
    x = np.where(rng.random((ROWS, FEATURES)) < 0.1, np.nan, rng.normal(size=(ROWS, FEATURES)))
    units = 8
    model = PerceptronModel(
        rng.normal(size=FEATURES), rng.uniform(0.5, 2.0, FEATURES), rng.normal(size=(units, FEATURES)),
        rng.normal(size=units), rng.normal(size=units), 0.3, 10, 0.7,
    )  # fmt: skip
    offset = np.linspace(-1, 1, ROWS)
    margin = offset + model.margin(x)
    assert largest_difference(onnx_of({"student": model}, NAMES, {}), x, offset, sigmoid(margin)) < 1e-12
    assert largest_difference(onnx_of({"student": model}, NAMES, {}, VALUE), x, offset, margin) < 1e-12


def test_a_student_adds_its_teacher() -> None:
    """The margins of both are added to the offset; the teacher sees single precision."""
    student, x = fitted("logistic", "student", True)
    teacher = fitted("xgboost", "teacher", True)[0].scaled(0.4)
    offset = np.zeros(ROWS)
    expected = sigmoid(student.margin(x) + teacher.margin(as_teacher_sees(x)))
    assert largest_difference(onnx_of({"student": student, "teacher": teacher}, NAMES, {}), x, offset, expected) < 1e-6


def test_a_kind_without_a_graph_is_refused() -> None:
    """By name, with the kinds that have one."""
    model = type("Own", (PluggedModel,), {"kind": "Own"})(None)
    with pytest.raises(RequestError, match="kind Own has no ONNX graph; the built-in kinds have one"):
        onnx_of({"student": model}, NAMES, {})
