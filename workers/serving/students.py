"""Deployed students, and all that are dot products asked in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np

from schemas.contract.artifact import StudentMetadata, StudentModel
from schemas.contract.errors import DataError
from schemas.files.layout import METADATA, MODEL_JSON, MODEL_UBJ
from workers.bars.series import Floats
from workers.features.registry import feature_names
from workers.models.logistic import Logistic


class Model(Protocol):
    """Any kind of student: rows of features to logits."""

    def margin(self, x: Floats) -> Floats:
        """Log odds per row, shape (rows,)."""


@dataclass(frozen=True)
class Student:
    """A deployed student; `trade_above` is None where no trade pays."""

    model: Model
    trade_above: float | None


def read_student(folder: Path, digests: dict[str, str]) -> Student:
    """The student in `folder`; DataError if a file is not the one that `digests` names, or it wants other features."""
    is_logistic = (folder / MODEL_JSON).is_file()
    content = _content(folder / (MODEL_JSON if is_logistic else MODEL_UBJ), digests)
    if is_logistic:
        stored = StudentModel.model_validate_json(content)
        _refuse_other_features(folder, stored.features)
        return Student(
            Logistic(np.asarray(stored.coefficients), stored.intercept, np.asarray(stored.fill)), stored.trade_above
        )
    metadata = StudentMetadata.model_validate_json(_content(folder / METADATA, digests))
    _refuse_other_features(folder, metadata.features)
    from workers.models.booster import Booster  # XGBoost, which no dot product needs

    return Student(Booster.from_bytes(content), metadata.trade_above)


def probabilities(students: Sequence[Student], x: Floats) -> Floats:
    """What each student says of its row of `x`, shape (students, features)."""
    margin = np.empty(len(students))
    dots = {place: each.model for place, each in enumerate(students) if isinstance(each.model, Logistic)}
    if dots:
        models, rows = dots.values(), list(dots)
        margin[rows] = dot(
            np.stack([model.coefficients for model in models]),
            np.array([model.intercept for model in models]),
            np.stack([model.fill for model in models]),
            x[rows],
        )
    for place, student in enumerate(students):
        if place not in dots:
            margin[place] = student.model.margin(x[place : place + 1])[0]
    return sigmoid(margin)


def dot(coefficients: Floats, intercept: Floats, fill: Floats, x: Floats) -> Floats:
    """Logits of rows, each by its own model: what `Logistic.margin` gives, to the bit."""
    filled = np.where(np.isfinite(x), x, fill)
    result: Floats = intercept + (filled * coefficients).sum(axis=1)
    return result


def sigmoid(margin: Floats) -> Floats:
    """The logistic function, without overflow on either side."""
    small = np.exp(-np.abs(margin))
    result: Floats = np.where(margin >= 0, 1.0, small) / (1.0 + small)
    return result


def _content(path: Path, digests: dict[str, str]) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing; roll back, or deploy again") from None
    if sha256(content).hexdigest() != digests.get(path.name):
        raise DataError(f"{path} is not what the release recorded; roll back, or deploy again")
    return content


def _refuse_other_features(folder: Path, features: tuple[str, ...]) -> None:
    if features != feature_names():
        raise DataError(f"{folder} was taught other features than this program makes; use the program that trained it")
