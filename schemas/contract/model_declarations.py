"""The decorator that offers a user's class as a kind of model, and what it declares."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from schemas.config.model_kinds import ModelRole
from schemas.config.plugged_kinds import TYPES, ParameterFacts, PluggedKind
from schemas.config.target import CLASS, Target
from schemas.contract.plugin_declarations import ModelDeclaration, declare
from schemas.contract.wrong_value import fault

C = TypeVar("C", bound=type)
METHODS = ("fit", "predict", "encode", "decode")
BOUNDS = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}


def model(*roles: ModelRole, targets: Target | Sequence[Target] = CLASS, name: str | None = None) -> Callable[[C], C]:
    """Offer a class as a kind of model for the roles "teacher", "student" or both. It stays an ordinary class.

    It has four methods. Arrays are of numpy, `x` has shape (rows, features) and NaN where a feature is missing.

    - `fit(x, y, weight, parameters, seed)`, a class method, returns a fitted instance. `y` is 0 or 1 per row. Weights
      are positive; they make both classes equally likely wherever the base rate is right, so that the instance learns
      what the features add to it. Equal arguments must give an instance of equal bytes.
    - `predict(x)` returns the probability of class 1 per row, 0.5 for a row whose features carry no information.
    - `encode()` returns bytes that hold the instance, without pickle: reading them must run no code of the file.
    - `decode(content)`, a class method, returns an instance that predicts the same.

    `Parameters`, a dataclass or a pydantic model inside the class, declares what `--set` may change: fields of type
    int, float, bool, str or a Literal of texts, each with a default. `fit` receives an instance of it, or None where
    the class declares none.

    With `targets="value"`, or `("class", "value")`, it takes labels that are values: `y` is then of floats, what is
    left of each label beside the historical mean, and `predict` returns what the features add to that mean.

    `name`: the class's own if omitted. The first line of the docstring describes the kind. TypeError or ValueError for
    a wrong argument.
    """
    known = get_args(ModelRole)
    chosen = (targets,) if isinstance(targets, str) else tuple(dict.fromkeys(targets))
    if not chosen or any(each not in get_args(Target) for each in chosen):
        raise ValueError(f"targets are 'class', 'value' or both, not {targets!r}")
    if not roles or any(role not in known for role in roles):
        raise ValueError(f"a model is for 'teacher', 'student' or both, such as @gk.model('teacher'), not {roles!r}")

    def mark(own: C) -> C:
        if not isinstance(own, type):
            raise TypeError("@gk.model(...) marks a class")
        if lacking := [each for each in METHODS if not callable(getattr(own, each, None))]:
            raise TypeError(f"class {own.__name__} lacks {', '.join(lacking)}; a model has {', '.join(METHODS)}")
        meaning = (own.__doc__ or "").strip().partition("\n")[0]
        ordered = tuple(role for role in known if role in roles)
        try:
            facts = PluggedKind(
                name=name or own.__name__, meaning=meaning, roles=ordered, parameters=_parameters(own), targets=chosen
            )
        except ValidationError as error:
            raise ValueError(f"model {name or own.__name__}: {_of(error)}") from None
        declare(ModelDeclaration(facts.name, own, facts))
        return own

    return mark


def _parameters(own: Any) -> tuple[ParameterFacts, ...]:
    """What the class's `Parameters` declare. TypeError for a field without a default, or of a type that is unknown."""
    declared = getattr(own, "Parameters", None)
    if declared is None:
        return ()
    try:
        schema = TypeAdapter(declared).json_schema()
    except PydanticUserError as error:
        raise TypeError(f"Parameters: {str(error).partition(chr(10))[0]}") from None
    return tuple(_facts(name, each) for name, each in schema.get("properties", {}).items())


def _facts(name: str, schema: dict[str, Any]) -> ParameterFacts:
    if "default" not in schema:
        raise TypeError(f"Parameters: {name} has no default; give one")
    choices = (schema["const"],) if "const" in schema else tuple(schema.get("enum", ()))
    if schema.get("type") not in TYPES or (choices and schema["type"] != "string"):
        raise TypeError(f"Parameters: {name} is no int, float, bool, str or Literal of texts")
    bounds = {own: schema[theirs] for theirs, own in BOUNDS.items() if theirs in schema}
    return ParameterFacts(
        name=name, type=schema["type"], default=schema["default"], choices=choices,
        description=schema.get("description", ""), **bounds,
    )  # fmt: skip


def _of(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))} {fault(first)}"
