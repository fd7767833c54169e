"""Base of every schema: frozen, without undeclared fields."""

from collections.abc import Sequence
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, model_validator


class Frozen(BaseModel):
    """A value that crosses a boundary: immutable, unknown fields refused, NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Complete(Frozen):
    """A value whose fields must all be given, also those that have a default in a base class.

    Exempt are fields that are not stored at their default (`exclude_if`).
    """

    @model_validator(mode="before")
    @classmethod
    def _has_every_field(cls, values: Any) -> Any:
        if isinstance(values, dict):
            fields = cls.model_fields.items()
            stored = {name: field for name, field in fields if field.exclude_if is None}
            missing = [name for name, field in stored.items() if name not in values and field.alias not in values]
            if missing:
                raise ValueError(f"fields are missing: {', '.join(missing)}")
        return values


def is_texts(value: object) -> TypeGuard[Sequence[str]]:
    """Whether a value that is not validated yet is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
