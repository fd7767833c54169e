"""Kinds of model that plug-ins define: what crosses to the orchestrator, which never imports a plug-in."""

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from schemas.config.model_kinds import ModelKind, ModelRole, Parameters
from schemas.config.target import CLASS, Target
from schemas.contract.base import Frozen

KindName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]
Value = bool | int | float | str
TYPES: dict[str, type[Value]] = {"boolean": bool, "integer": int, "number": float, "string": str}


class ParameterFacts(Frozen):
    """A parameter of a plug-in's kind: the type and the bounds of its value, and its default."""

    name: ParameterName
    type: Literal["boolean", "integer", "number", "string"]
    default: Value
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    choices: tuple[str, ...] = ()
    description: str = ""

    @property
    def field(self) -> tuple[Any, Any]:
        """Type and field of a pydantic model that accepts the same values."""
        bounds = {name: bound for name in ("ge", "gt", "le", "lt") if (bound := getattr(self, name)) is not None}
        kind = Literal[self.choices] if self.choices else TYPES[self.type]
        return kind, Field(TYPES[self.type](self.default), description=self.description, **bounds)


class PluggedKind(Frozen):
    """A kind of model that a plug-in defines; its parameters are the same in each of its roles."""

    name: KindName
    meaning: str
    roles: tuple[ModelRole, ...] = Field(min_length=1)
    parameters: tuple[ParameterFacts, ...] = ()
    targets: tuple[Target, ...] = Field((CLASS,), min_length=1, exclude_if=lambda targets: targets == (CLASS,))

    @property
    def kind(self) -> ModelKind:
        """The kind as an entry of the table of kinds."""
        return _kind(self)


@lru_cache(maxsize=256)
def _kind(facts: PluggedKind) -> ModelKind:
    fields: dict[str, Any] = {each.name: each.field for each in facts.parameters}
    own = create_model(f"{facts.name}Parameters", __base__=Parameters, **fields) if fields else Parameters
    roles = {role: own for role in facts.roles}
    return ModelKind(
        facts.name, facts.meaning, teacher=roles.get("teacher"), student=roles.get("student"), targets=facts.targets
    )
