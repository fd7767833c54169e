"""The registry of model types: every kind of student registers its class here."""

from pathlib import Path
from typing import TypeVar

from schemas.contract.errors import DataError
from workers.models.base import Model

MODEL_TYPES: dict[str, type[Model]] = {}

M = TypeVar("M", bound=Model)


def register(model_type: type[M]) -> type[M]:
    """Register a model type under its `kind`; a class decorator. ValueError for a taken kind or file name."""
    for other in MODEL_TYPES.values():
        if other.kind == model_type.kind or other.file_name == model_type.file_name:
            raise ValueError(f"model type {model_type.kind!r} has the kind or file name of {other.__name__}")
    MODEL_TYPES[model_type.kind] = model_type
    return model_type


def stored_type(folder: Path) -> type[Model]:
    """Model type whose file is in a student's folder. DataError if there is none."""
    for model_type in MODEL_TYPES.values():
        if (folder / model_type.file_name).is_file():
            return model_type
    names = " or ".join(model_type.file_name for model_type in MODEL_TYPES.values())
    raise DataError(f"{folder} holds no {names}")
