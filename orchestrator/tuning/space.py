"""The space of a study: read from a file, checked against the settings that it varies, and applied to a run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.planning.feasible import refuse_infeasible
from orchestrator.runs.settings import read_toml
from schemas.config.model_kinds import KINDS, ROLES, ModelRole, check_kind
from schemas.config.run import RunConfig
from schemas.config.tuning import OF_LABELS, OF_LOSSES, SEARCHED, Choices, Domain, Numbers, Objective, Space, Value
from schemas.contract.errors import RequestError
from schemas.contract.wrong_value import fault


def read_space(path: Path, config: RunConfig, objective: Objective) -> Space:
    """The space in a file. RequestError names the key, its line, and what is wrong with it or one of its values."""
    tables, text = read_toml(path, "space file", "--space")
    space: Space = {}
    for name, table in _flat(tables).items():
        try:
            space[name] = _domain(name, table)
            _check_values(name, space, config)
        except ValueError as error:
            raise RequestError(f"{path}{_line(text, name)}: {name} {error}") from None
    if not space:
        raise RequestError(f"space file {path} varies nothing; write a table such as [teacher.max_depth]")
    by_label = [name for name in space if name in OF_LABELS]
    if objective in OF_LOSSES and OF_LOSSES[objective] != (target := config.training().target):
        own = next(each for each in OF_LOSSES if OF_LOSSES[each] == target)
        raise RequestError(f"--objective {objective}: the label is a {target}; use --objective {own} or alpha")
    if by_label and objective in OF_LOSSES:
        raise RequestError(
            f"{path}{_line(text, by_label[0])}: {by_label[0]} changes what a label asks, and losses of different"
            " labels cannot be compared; use --objective alpha"
        )
    return space


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Tables by the name of the setting, or of the parameter: `teacher.max_depth`."""
    found: dict[str, Any] = {}
    for name, table in tables.items():
        if name not in ROLES or not isinstance(table, Mapping):
            found[name] = table
            continue
        if own := {key: each for key, each in table.items() if not isinstance(each, Mapping)}:
            found[name] = own
        found |= {f"{name}.{key}": each for key, each in table.items() if isinstance(each, Mapping)}
    # A kind is chosen before the parameters that only some kinds have.
    return dict(sorted(found.items(), key=lambda each: each[0] not in ROLES))


def _domain(name: str, table: Any) -> Domain:
    if "." not in name and name not in SEARCHED:
        raise ValueError(f"cannot be varied; these can: {', '.join(SEARCHED)}, teacher.NAME and student.NAME")
    if not isinstance(table, Mapping):
        raise ValueError("is not a table; write low and high, or choices")
    kind = Choices if "choices" in table else Numbers
    try:
        domain = kind.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{first['loc'][0]} " if first["loc"] else ""
        missing = first["type"] == "missing"
        wrong = "is missing" if missing else "is not a number" if first["type"] == "int_type" else fault(first)
        raise ValueError(f"{where}{wrong}; write low and high, or choices") from None
    if isinstance(domain, Numbers) and name in SEARCHED and not isinstance(_default(name), int | float):
        raise ValueError("takes no numbers; give choices")
    return domain


def _default(name: str) -> Any:
    return RunConfig.model_fields[name].default


def _check_values(name: str, space: Space, config: RunConfig) -> None:
    """ValueError for the first value at an end of the domain, or among its choices, that the setting does not take."""
    domain = space[name]
    values = domain.choices if isinstance(domain, Choices) else (domain.low, domain.high)
    for kinds in _kinds_with(name, space, config):
        for value in values:
            if isinstance(domain, Numbers) and is_whole(name, config, kinds) and not isinstance(value, int):
                raise ValueError(f"{value} is not a whole number")
            try:
                configured(config, kinds | {name: value})
            except RequestError as error:
                raise ValueError(f"= {value} is not possible: {error}") from None


def _kinds_with(name: str, space: Space, config: RunConfig) -> list[dict[str, Value]]:
    """The kinds of model, of those in the space or else of the run, that have a parameter; for a setting, none."""
    role, dot, parameter = name.partition(".")
    if not dot:
        return [{}]
    searched = space.get(role)
    kinds: tuple[Value, ...] = searched.choices if isinstance(searched, Choices) else (getattr(config, role),)
    found = [{role: kind} for kind in kinds if parameter in _parameters(_role(role), str(kind), config)]
    if not found:
        known = sorted({each for kind in kinds for each in _parameters(_role(role), str(kind), config)})
        raise ValueError(f"is no parameter of {' or '.join(map(str, kinds))} as a {role}; there are {', '.join(known)}")
    return found


def _role(role: str) -> ModelRole:
    return "teacher" if role == "teacher" else "student"


def _parameters(role: ModelRole, kind: str, config: RunConfig) -> dict[str, Any]:
    own = config.plugged.kinds if config.plugged else {}
    parameters = (KINDS | own)[check_kind(role, kind, own)].parameters(role)
    return dict(parameters.model_fields) if parameters is not None else {}


def is_whole(name: str, config: RunConfig, chosen: Mapping[str, Value]) -> bool:
    """Whether a setting or parameter takes whole numbers only."""
    role, dot, parameter = name.partition(".")
    if not dot:
        return type(_default(name)) is int
    fields = _parameters(_role(role), str(chosen.get(role, getattr(config, role))), config)
    return type(fields[parameter].default) is int


def applies(name: str, config: RunConfig, chosen: Mapping[str, Value]) -> bool:
    """Whether a parameter exists for the chosen kind of model; a setting always does."""
    role, dot, parameter = name.partition(".")
    return not dot or parameter in _parameters(_role(role), str(chosen.get(role, getattr(config, role))), config)


def configured(config: RunConfig, chosen: Mapping[str, Value]) -> RunConfig:
    """The run with chosen values. RequestError if they do not go together.

    A change of `--set` that the chosen kind of model lacks, or that is chosen, is left out.
    """
    values: dict[str, Any] = {name: getattr(config, name) for name in RunConfig.model_fields}
    values |= {name: value for name, value in chosen.items() if "." not in name}
    kept = [
        change
        for change in config.set
        if (name := change.partition("=")[0]) not in chosen and applies(name, config, chosen)
    ]
    values["set"] = [*kept, *(f"{name}={value}" for name, value in chosen.items() if "." in name)]
    try:
        found = RunConfig.model_validate(values)
    except ValidationError as error:
        first = min(error.errors(), key=lambda each: len(each["loc"]))
        raise RequestError(fault(first)) from None
    if found.label_source is not None and (found.label, found.horizon) != (config.label, config.horizon):
        raise RequestError(
            f"label {found.label} is of a plug-in and declares its horizon; choose it with --label, and vary neither"
            " label nor horizon"
        )
    refuse_infeasible(found)
    return found


def unchanged(space: Space, config: RunConfig) -> dict[str, Value]:
    """The values of the run itself for what its space varies, by name; parameters that its kinds lack are left out."""
    found: dict[str, Value] = {}
    for name in space:
        role, dot, parameter = name.partition(".")
        if not dot:
            value: Any = config.feature_set.names if name == "features" else getattr(config, name)
            found[name] = ",".join(value) if isinstance(value, tuple) else value
        elif applies(name, config, {}):
            found[name] = getattr(config.parameters(_role(role)), parameter)
    return found


def _line(text: str, name: str) -> str:
    """Where a key stands in a file: ` line 3`; empty if it is not found."""
    whole, last = re.escape(name), re.escape(name.rpartition(".")[2])
    heading = re.compile(rf"\s*(\[\s*{whole}\s*\]|({whole}|{last})\s*[=.])")
    for number, line in enumerate(text.splitlines(), start=1):
        if heading.match(line):
            return f" line {number}"
    return ""
