"""Read and write the rows and typed files that one phase hands to the next."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.contract.artifact import RunRow
from schemas.contract.errors import PhaseError
from schemas.contract.task import Role
from schemas.files.layout import RunLayout, to_json, write_atomic

M = TypeVar("M", bound=BaseModel)

_ROWS = TypeAdapter(list[RunRow])


def write_rows(layout: RunLayout, role: Role, rows: list[RunRow]) -> None:
    """Write `teacher_runs.json` or `student_runs.json`: one JSON array, one row a line."""
    lines = ",\n".join(json.dumps(row.model_dump(mode="json"), allow_nan=False) for row in rows)
    write_atomic(layout.rows(role), f"[\n{lines}\n]\n")


def read_rows(layout: RunLayout, role: Role) -> list[RunRow]:
    """Rows of a role; PhaseError if the file is missing or malformed."""
    return _ROWS.validate_json(_content(layout.rows(role)))


def write_model(path: Path, model: BaseModel) -> None:
    """Write a typed value as indented JSON, atomically."""
    write_atomic(path, to_json(model.model_dump(mode="json")))


def read_model(path: Path, kind: type[M]) -> M:
    """Read a typed value; PhaseError if the file is missing or does not meet its schema."""
    try:
        return kind.model_validate_json(_content(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise PhaseError(f"{path}: {where}: {first['msg']}; it is damaged, or another version wrote it") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PhaseError(f"{path} is missing: the phase before it left nothing to work on") from None
