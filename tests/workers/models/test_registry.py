"""Model types: each survives its file, and a new one is trained, stored and served without a change elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pytest

from schemas.contract.artifact import StudentInputs
from schemas.contract.errors import DataError
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of
from tests.strategies import daily_walk, training_settings
from tests.workers.learning.targets import counts_for
from workers.artifacts.writer import digests, write_student
from workers.bars.series import Floats
from workers.features.registry import feature_names
from workers.learning.history import prepare, select_rows
from workers.learning.student import probability
from workers.learning.window import TeacherTargets, fit_window_student, fit_window_teacher
from workers.models.base import Model, StoredModel
from workers.models.registry import MODEL_TYPES, register, stored_type
from workers.models.stored_student import read_student
from workers.serving.students import probabilities, read_served

WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))


@dataclass(frozen=True)
class BaseRate(Model):
    """Adds the same to every row's offset: the logit of the weighted share of positives."""

    kind: ClassVar[str] = "base-rate"
    file_name: ClassVar[str] = "model.txt"

    logit: float

    @classmethod
    def fit(cls, x: Floats, soft: Floats, weight: Floats, offset: Floats, seed: int) -> Self:
        share = float(np.average(soft, weights=weight))
        return cls(float(np.log(share / (1.0 - share))))

    def margin(self, x: Floats) -> Floats:
        return np.full(len(x), self.logit)

    def calibrated(self, slope: float, intercept: float) -> Self:
        return type(self)(slope * self.logit + intercept)

    def encode(self, features: Sequence[str], trade_above: float | None) -> bytes:
        return "\n".join([repr(self.logit), repr(trade_above), *features]).encode()

    @classmethod
    def decode(cls, content: bytes) -> StoredModel:
        logit, above, *features = content.decode().splitlines()
        return StoredModel(cls(float(logit)), tuple(features), None if above == "None" else float(above))


@pytest.fixture
def base_rate() -> Iterator[type[Model]]:
    """A model type that is registered for one test."""
    yield register(BaseRate)
    del MODEL_TYPES[BaseRate.kind]


def test_a_registered_model_type_is_trained_stored_and_served(base_rate: type[Model], tmp_path: Path) -> None:
    """The setting `student` selects the type; its file is written, read back by digest and predicts the same."""
    # The schema's list of kinds is the second place that a new type is added to.
    settings = training_settings().model_copy(update={"student": base_rate.kind})
    history = prepare(daily_walk(520), settings)
    counts = counts_for({"A": history}, WINDOW, settings)
    teacher = fit_window_teacher({"A": history}, WINDOW, settings, counts, "cpu")
    targets = TeacherTargets(teacher.row, teacher.block.astype(np.int64), teacher.fitted_by, teacher.out_of_fold)
    scored = select_rows(history, WINDOW, settings).scored
    student = fit_window_student(history, WINDOW, settings, counts, targets, np.full(len(scored), 0.5))
    assert isinstance(student.fitted.model, base_rate)
    inputs = StudentInputs.model_construct(
        window=WINDOW, settings=settings, bars_sha256={}, label_counts={}, teacher_sha256="", versions={}
    )
    write_student(tmp_path / "student", inputs, history, student)
    assert (tmp_path / "student" / base_rate.file_name).is_file()
    stored = read_student(tmp_path / "student", digests(tmp_path / "student"))
    x = history.features[history.labels.t0[scored]]
    assert probability(stored.model.margin(x)).tobytes() == student.scored_student.tobytes()
    assert probabilities([stored, stored], x[:2]) == pytest.approx(student.scored_student[:2])
    assert stored.trade_above == student.trade_above


@pytest.mark.parametrize("kind", MODEL_TYPES)
@pytest.mark.parametrize("trade_above", [None, 0.1 + 0.2])
def test_a_model_survives_its_file(kind: str, trade_above: float | None, tmp_path: Path) -> None:
    """Read back, a calibrated model has the same margins bit for bit, the same inputs and the same threshold."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, len(feature_names())))
    x[::7, 2] = np.nan
    model = MODEL_TYPES[kind].fit(x, rng.uniform(size=80), np.ones(80), np.zeros(80), 0).calibrated(0.7, 0.1)
    path = tmp_path / model.file_name
    path.write_bytes(model.encode(feature_names(), trade_above))
    assert stored_type(tmp_path) is MODEL_TYPES[kind]
    stored = read_student(tmp_path, {path.name: sha256_of(path)})
    assert stored.model.margin(x).tobytes() == model.margin(x).tobytes()
    assert type(model).margins([stored.model] * 80, x).tobytes() == model.margin(x).tobytes()
    assert (stored.features, stored.trade_above) == (feature_names(), trade_above)


def test_a_kind_and_a_file_belong_to_one_type(base_rate: type[Model]) -> None:
    """A second type with the same kind or the same file is refused."""
    with pytest.raises(ValueError, match="'base-rate' has the kind or file name of BaseRate"):
        register(BaseRate)


def test_a_student_of_other_features_or_bytes_is_refused(tmp_path: Path) -> None:
    """A missing file, a changed one, and one that was trained on other features are errors with the next step."""
    with pytest.raises(DataError, match=r"holds no .*; roll back"):
        read_student(tmp_path, {}, "roll back")
    model = MODEL_TYPES["logistic"].fit(np.eye(4), np.full(4, 0.4), np.ones(4), np.zeros(4), 0)
    path = tmp_path / model.file_name
    path.write_bytes(model.encode(("a", "b", "c", "d"), None))
    with pytest.raises(DataError, match="is not what was recorded; resume the run"):
        read_student(tmp_path, {path.name: "0" * 64})
    with pytest.raises(DataError, match="was trained on other features"):
        read_served(tmp_path, {path.name: sha256_of(path)})
