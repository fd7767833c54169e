"""What the value of an option is called in help: INT, DATE, FILE, or its choices."""

from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

# A longer list of choices stands in the text of the option.
LONGEST_CHOICES = 40
KINDS = {int: "INT", float: "NUMBER", str: "TEXT", date: "DATE", Path: "PATH"}
BY_NAME = {
    "source": "SOURCE", "second_source": "SOURCE", "symbols": "A,B,...", "privileged": "A,B,...", "features": "A,B,...",
    "plugins": "FILE,...", "label": "NAME", "set": "ROLE.NAME=VALUE", "side": "NAME=FILE",
    "side_lag": "NAME=DURATION", "side_max_age": "NAME=DURATION", "teacher": "KIND", "student": "KIND",
    "columns": "NAME=COLUMN", "where": "NAME=VALUE", "corporate_actions": "FILE", "write_actions": "FILE",
    "signing_key": "FILE", "public_key": "FILE", "config": "FILE", "out": "FILE", "broker": "URL", "store": "URL",
    "devices": "DEVICES", "lookback": "DAYS", "as_of": "DATE", "run_id": "NAME", "by": "NAME", "timezone": "ZONE",
    "study": "NAME", "space": "FILE", "universe": "FILE", "interval": "INTERVAL", "mlflow": "URL", "url": "URL",
    "onnx": "FILE", "run": "RUN_ID", "window": "WINDOW", "write": "DIR", "bundle": "DIR",
    "log_level": "[DEBUG|INFO|WARNING|ERROR]", "env": "[staging|production]",
    "calendar": "NAME", "encoding": "NAME", "environment": "[staging|production]", "to": "[staging|production]",
}  # fmt: skip
BY_ENDING = ("dir", "file")


def shown_type(name: str, annotation: Any) -> str:
    """What the value of an option or setting of this name and type is called."""
    ending = name.rpartition("_")[2]
    return BY_NAME.get(name) or (ending.upper() if ending in BY_ENDING else _type_name(annotation))


def choices_of(annotation: Any) -> tuple[str, ...]:
    """The values that a type allows; empty where they cannot be listed."""
    found: list[str] = []
    for each in _parts(annotation):
        if get_origin(each) is Literal:
            found += map(str, get_args(each))
        elif isinstance(each, type) and issubclass(each, Enum):
            found += [str(member.value) for member in each]
        else:
            return ()
    return tuple(found)


def _parts(annotation: Any) -> Iterator[Any]:
    """The types of a value, None left out: those of a union, and the one that an `Annotated` type wraps."""
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from _parts(arguments[0])
    elif get_origin(annotation) is Literal or not arguments:
        if annotation is not type(None):
            yield annotation
    else:
        for each in arguments:
            yield from _parts(each)


def _is(annotation: Any, kind: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, kind)


def _type_name(annotation: Any) -> str:
    choices = "|".join(choices_of(annotation))
    if choices and len(choices) <= LONGEST_CHOICES:
        return f"[{choices}]"
    found = {next((name for kind, name in KINDS.items() if _is(each, kind)), "TEXT") for each in _parts(annotation)}
    return found.pop() if len(found) == 1 else "TEXT"
