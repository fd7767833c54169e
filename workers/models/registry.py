"""The registry of model types: every kind of teacher and student registers its class here."""

from pathlib import Path
from typing import TypeVar

from schemas.config.model_kinds import KINDS, ModelRole
from schemas.contract.errors import DataError, RequestError
from workers.models.base import Model
from workers.models.plugged import PLUGGED_SUFFIX, plugged_types

MODEL_TYPES: dict[str, type[Model]] = {}

M = TypeVar("M", bound=Model)


def register(model_type: type[M]) -> type[M]:
    """Register a model type under its `kind`; a class decorator.

    ValueError for a taken kind, or a file name that another type with the same role has.
    """
    if model_type.kind in MODEL_TYPES:
        raise ValueError(f"a model type of kind {model_type.kind!r} is registered already")
    for role in _roles(model_type):
        for other in types_of(role):
            if other.file_name == model_type.file_name:
                raise ValueError(f"model type {model_type.kind!r} has the file name of {other.__name__}")
    MODEL_TYPES[model_type.kind] = model_type
    return model_type


def types_of(role: ModelRole) -> list[type[Model]]:
    """The types that can have a role."""
    return [each for each in MODEL_TYPES.values() if role in _roles(each)]


def type_of(kind: str) -> type[Model]:
    """The type of a kind, built-in or of a plug-in of this process. RequestError for one that is not here."""
    found = MODEL_TYPES.get(kind) or plugged_types().get(kind)
    if found is None:
        raise RequestError(f"models of kind {kind} are of a plug-in that this process was not given; give --plugins")
    return found


def stored_type(folder: Path, role: ModelRole = "student") -> type[Model]:
    """Model type of the student in a student's folder, or of the teacher beside it. DataError if there is none."""
    names = {each.file_name if role == "student" else each.teacher_file(): each for each in types_of(role)}
    for name, model_type in names.items():
        if (folder / name).is_file():
            return model_type
    prefix = "model" if role == "student" else "teacher"
    for path in sorted(folder.glob(f"{prefix}.*.{PLUGGED_SUFFIX}")):
        return type_of(path.name.split(".")[1])
    raise DataError(f"{folder} holds no {' or '.join(names)}")


def _roles(model_type: type[Model]) -> list[ModelRole]:
    kind = KINDS[model_type.kind]
    roles: tuple[ModelRole, ...] = ("teacher", "student")
    return [role for role in roles if kind.parameters(role) is not None]
