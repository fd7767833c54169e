"""Read deployed students, and predict with many at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from schemas.contract.errors import DataError
from schemas.contract.release import OTHER_RELEASE
from workers.bars.series import Floats
from workers.features.registry import feature_names
from workers.models.apart import ModelTrial
from workers.models.base import Model, StoredModel
from workers.models.stored_student import read_student


def read_served(folder: Path, digests: Mapping[str, str], trial: ModelTrial | None = None) -> StoredModel:
    """Read a deployed student. DataError if it is missing, changed, damaged, or was trained on other features.

    `trial` reads a student of unknown origin first.
    """
    student = read_student(folder, digests, OTHER_RELEASE, trial)
    if student.features != feature_names():
        raise DataError(
            f"{folder} was trained on other features than this program computes; use the program that trained it"
        )
    return student


def probabilities(students: Sequence[StoredModel], x: Floats) -> Floats:
    """Probability that each student predicts for its own row of `x`, shape (students, features)."""
    margin = np.empty(len(students))
    places: dict[type[Model], list[int]] = {}
    for place, student in enumerate(students):
        places.setdefault(type(student.model), []).append(place)
    for model_type, rows in places.items():
        margin[rows] = model_type.margins([students[row].model for row in rows], x[rows])
    return sigmoid(margin)


def sigmoid(margin: Floats) -> Floats:
    """The logistic function, without overflow on either side."""
    small = np.exp(-np.abs(margin))
    result: Floats = np.where(margin >= 0, 1.0, small) / (1.0 + small)
    return result
