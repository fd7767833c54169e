"""Model types: each survives its file, and a new one is trained, stored and served without a change elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pytest
from scipy.special import expit

from schemas.config.model_kinds import KINDS, ModelKind, Parameters, register_kind
from schemas.contract.artifact import StudentInputs
from schemas.contract.errors import DataError
from schemas.contract.extras import missing_modules
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of
from schemas.files.run_files import write_model
from tests.strategies import daily_walk, recipe, serving, training_settings
from tests.workers.learning.targets import counts_for, student_for
from tests.workers.models.kinds import kinds
from workers.artifacts.writer import digests, write_student
from workers.bars.series import Floats
from workers.devices.arrays import Array
from workers.features.registry import feature_names
from workers.learning.history import prepare
from workers.learning.window import fit_window_teacher
from workers.learning.window_student import scored_inputs
from workers.models.base import Model, Recipe, sigmoid
from workers.models.booster import Booster
from workers.models.registry import MODEL_TYPES, register, stored_type, types_of
from workers.models.stored_student import StoredStudent, read_student
from workers.models.xgboost import XGBoost
from workers.serving.students import predictions_of, read_served

WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))


@dataclass(frozen=True)
class BaseRate(Model):
    """Adds the same to every row's offset: the logit of the weighted share of positives."""

    kind: ClassVar[str] = "base-rate"
    file_name: ClassVar[str] = "model.txt"

    logit: float

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        share = float(np.average(soft, weights=weight))
        return cls(float(np.log(share / (1.0 - share))))

    def margin(self, x: Floats) -> Floats:
        return np.full(len(x), self.logit)

    def scaled(self, factor: float) -> Self:
        return type(self)(factor * self.logit)

    def encode(self, features: Sequence[str]) -> bytes:
        return "\n".join([repr(self.logit), *features]).encode()

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        logit, *features = content.decode().splitlines()
        return cls(float(logit)), tuple(features)


@pytest.fixture
def base_rate() -> Iterator[type[Model]]:
    """A model type that is registered for one test."""
    register_kind(ModelKind(BaseRate.kind, "the base rate", student=Parameters))
    yield register(BaseRate)
    del MODEL_TYPES[BaseRate.kind], KINDS[BaseRate.kind]


def test_a_registered_model_type_is_trained_stored_and_served(base_rate: type[Model], tmp_path: Path) -> None:
    """The setting `student` selects the type; its file is written, read back by digest and predicts the same."""
    settings = training_settings(student=base_rate.kind)
    histories = {"A": prepare(daily_walk(520), settings)}
    teacher = fit_window_teacher(histories, WINDOW, settings, counts_for(histories, WINDOW, settings), "cpu")
    student = student_for(histories, WINDOW, settings, teacher)
    assert isinstance(student.fitted.model, base_rate)
    inputs = StudentInputs.model_construct(
        window=WINDOW, settings=settings, bars_sha256={}, label_counts={}, teacher_sha256="", versions={}
    )
    write_student(tmp_path / "student", inputs, histories, student, teacher.teacher.model.encode(()))
    assert (tmp_path / "student" / base_rate.file_name).is_file()
    stored = read_student(tmp_path / "student", digests(tmp_path / "student"))
    x, _ = scored_inputs(histories, student.scored)
    assert expit(stored.offset("A") + stored.margin(x)).tobytes() == student.scored_student.tobytes()
    assert predictions_of([stored, stored], ["A", "A"], x[:2]) == pytest.approx(student.scored_student[:2])
    assert stored.serving == student.serving


@pytest.mark.parametrize("kind", kinds("student"))
@pytest.mark.parametrize("taught", [False, True])
def test_a_student_survives_its_files(kind: str, taught: bool, tmp_path: Path) -> None:
    """Read back, a shrunk student has the same margins bit for bit and the same inputs, with a teacher or without."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, len(feature_names())))
    x[::7, 2] = np.nan
    model = MODEL_TYPES[kind].fit(x, rng.uniform(size=80), np.ones(80), np.zeros(80), recipe(kind)).scaled(0.7)
    served = serving("A", 0.3, 0.1 + 0.2).model_copy(update={"teacher_factor": 0.4 * taught})
    (tmp_path / model.file_name).write_bytes(model.encode(feature_names()))
    write_model(tmp_path / "serving.json", served)
    teacher = XGBoost.fit(x, rng.uniform(size=80), np.ones(80), np.zeros(80), recipe("xgboost", "teacher"))
    if taught:
        (tmp_path / "teacher.ubj").write_bytes(teacher.encode(()))
    assert stored_type(tmp_path) is MODEL_TYPES[kind]
    stored = read_student(tmp_path, digests(tmp_path))
    margin = model.margin(x) + teacher.scaled(0.4).margin(x) if taught else model.margin(x)
    assert stored.margin(x).tobytes() == margin.tobytes()
    assert type(model).margins([stored.model] * 80, x).tobytes() == model.margin(x).tobytes()
    assert (stored.features, stored.serving) == (feature_names(), served)
    assert (stored.offset("A"), stored.trade_above("unseen")) == (0.3, 0.1 + 0.2)


def test_students_with_and_without_a_teacher_predict_together_as_alone() -> None:
    """Each row is predicted by its own student: one that stands several times, others of each type, some taught."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, len(feature_names())))
    many = rng.normal(size=(80, len(feature_names())))
    trees = Booster.fit(many, rng.uniform(size=80), np.ones(80), np.zeros(80), recipe("booster"))
    models = [
        each.fit(many, rng.uniform(size=80), np.ones(80), np.zeros(80), recipe(each.kind))
        for each in types_of("student")
        if not missing_modules([KINDS[each.kind].extra or "worker"])
    ]
    alone = [StoredStudent(model, feature_names(), serving("A", 0.2), None) for model in models]
    taught = [StoredStudent(model, feature_names(), serving("A", -0.4), trees) for model in models]
    students = [*alone, taught[0], *taught, taught[0], alone[0], *alone][: len(x)]
    symbols = ["A", "B"] * 4 + ["A"]
    expected = [
        float(sigmoid(np.array([each.offset(symbol)]) + each.margin(x[row : row + 1]))[0])
        for row, (each, symbol) in enumerate(zip(students, symbols, strict=True))
    ]
    assert predictions_of(students, symbols, x).tolist() == expected


def test_a_kind_and_a_file_belong_to_one_type(base_rate: type[Model]) -> None:
    """A second type with the same kind or the same file is refused."""
    with pytest.raises(ValueError, match="kind 'base-rate' is registered already"):
        register(BaseRate)


def test_a_student_of_other_features_or_bytes_is_refused(tmp_path: Path) -> None:
    """A missing file, a changed one, and one that was trained on other features are errors with the next step."""
    with pytest.raises(DataError, match=r"holds no .*; roll back"):
        read_student(tmp_path, {}, "roll back")
    model = MODEL_TYPES["logistic"].fit(np.eye(4), np.full(4, 0.4), np.ones(4), np.zeros(4), recipe("logistic"))
    path = tmp_path / model.file_name
    path.write_bytes(model.encode(("a", "b", "c", "d")))
    write_model(tmp_path / "serving.json", serving())
    with pytest.raises(DataError, match="is not what was recorded; resume the run"):
        read_student(tmp_path, {path.name: "0" * 64})
    with pytest.raises(DataError, match="was trained on other features"):
        read_served(tmp_path, digests(tmp_path), feature_names())
    with pytest.raises(DataError, match=r"serving\.json is not what was recorded; resume the run"):
        read_student(tmp_path, {path.name: sha256_of(path)})
