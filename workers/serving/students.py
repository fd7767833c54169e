"""Read deployed students, and predict with many at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from schemas.config.target import CLASS
from schemas.contract.errors import DataError
from schemas.contract.release import OTHER_RELEASE
from workers.bars.series import Floats
from workers.models.apart import ModelTrial
from workers.models.base import Model, predicted
from workers.models.stored_student import StoredStudent, as_teacher_sees, read_student


def read_served(
    folder: Path, digests: Mapping[str, str], features: Sequence[str], trial: ModelTrial | None = None
) -> StoredStudent:
    """Read a deployed student. DataError if it is missing, changed, damaged, or was trained on other than `features`.

    `trial` reads a student of unknown origin first.
    """
    student = read_student(folder, digests, OTHER_RELEASE, trial)
    if student.features != tuple(features):
        raise DataError(
            f"{folder} was trained on other features than this program computes; use the program that trained it"
        )
    return student


def predictions_of(students: Sequence[StoredStudent], symbols: Sequence[str], x: Floats) -> Floats:
    """What each student predicts for its own row of `x`, shape (students, features), of a symbol; all of one target."""
    offset = np.array([student.offset(symbol) for student, symbol in zip(students, symbols, strict=True)])
    margin = _margins([student.model for student in students], x)
    taught = [row for row, student in enumerate(students) if student.teacher is not None]
    if taught:
        teachers = [each for student in students if (each := student.teacher) is not None]
        margin[taught] += _margins(teachers, as_teacher_sees(x[taught]))
    return predicted(offset + margin, students[0].serving.target if students else CLASS)


def _margins(models: Sequence[Model], x: Floats) -> Floats:
    """Margin of each row of `x` by its own model."""
    margin = np.empty(len(models))
    rows: dict[int, list[int]] = {}
    for row, model in enumerate(models):
        rows.setdefault(id(model), []).append(row)
    single: dict[type[Model], list[int]] = {}
    for own in rows.values():
        if len(own) > 1:
            margin[own] = models[own[0]].margin(x[own])
        else:
            single.setdefault(type(models[own[0]]), []).append(own[0])
    for model_type, own in single.items():
        margin[own] = model_type.margins([models[row] for row in own], x[own])
    return margin
