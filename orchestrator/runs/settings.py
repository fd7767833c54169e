"""Resolve settings from a TOML file, the environment and flags, in rising precedence; an error is one line.

pydantic-settings does not replace this module: its errors do not name the source of a bad value, it reads a tuple from
the environment as JSON, and one file for all commands, with unknown keys refused, would still be code of our own.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from orchestrator.runs.plugins import with_declared_kinds
from schemas.config.bars import IngestConfig
from schemas.config.file_options import FileOptions
from schemas.config.release import ReleaseConfig
from schemas.config.run import RunConfig
from schemas.config.sources import default_dates
from schemas.config.tuning import TuneConfig
from schemas.contract.base import Frozen
from schemas.contract.errors import RequestError
from schemas.contract.identifiers import check_symbol
from schemas.contract.wrong_value import fault
from schemas.files.text import read_text
from schemas.redis.broker_file import read_broker_file

ENV_PREFIX = "GURUKUL_"

FLAGS = {"telemetry": "--enable-telemetry", "local_workers": "--no-local-workers", "json_summary": "--json"}


# Settings that are tables of a config file, and neither flags nor variables.
TABLES = ("cost_rates", "gates", "second_options")
# What a preflight fills in: no setting of a user.
FILLED_IN = ("plugged", "members", "own_gates", "own_source", "every_symbol", "broker_login")


def flag_of(field: str) -> str:
    """Return the flag of a config field."""
    return FLAGS.get(field, "--" + field.replace("_", "-"))


# Kinds of validation errors that are reported only if there is no other.
RANKS = {"missing": 1, "default_factory_not_called": 2}

C = TypeVar("C", bound=Frozen)


def resolve(
    kind: type[C],
    flags: Mapping[str, Any],
    config_file: Path | None,
    environment: Mapping[str, str] = os.environ,
    *,
    in_python: bool = False,
) -> C:
    """Merge the three layers into a config; RequestError names the bad value and its source.

    One file may serve all commands: settings of other commands are ignored. `in_python`: the flags are arguments of a
    call, and are named as such.
    """
    name_of = str if in_python else flag_of
    settings = _from_file(config_file).items()
    variables = {
        name: environment.get(ENV_PREFIX + name.upper()) for name in kind.model_fields if name not in TABLES + FILLED_IN
    }
    layers: dict[str, tuple[str, Any]] = {}
    for layer in (
        {name: (f"{config_file}: {name}", value) for name, value in settings if name in kind.model_fields},
        {name: (ENV_PREFIX + name.upper(), value) for name, value in variables.items() if value},
        {name: (name_of(name), value) for name, value in flags.items() if value is not None},
    ):
        _lay(layers, layer)
    if "format_file" in kind.model_fields:
        layers = _with_profile(layers)
    values = {name: value for name, (_, value) in layers.items()}
    if values.get("second_format_file"):
        values["second_options"] = _file_options(Path(str(values["second_format_file"])), "--second-format-file")
    if "broker_file" in values:
        values["broker"] = read_broker_file(str(values["broker_file"]))
    if values.get("symbols_file"):
        if "symbols" in values:
            raise RequestError("--symbols and --symbols-file exclude each other; give one")
        values["symbols"] = read_symbols(Path(str(values["symbols_file"])))
    if issubclass(kind, RunConfig):
        values = with_declared_kinds(default_dates(str(values.get("source", "sample"))) | values)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise RequestError(_sentence(error, layers, in_python)) from None


def _lay(layers: dict[str, tuple[str, Any]], layer: dict[str, tuple[str, Any]]) -> None:
    """Put a layer over lower ones; its `broker` replaces their `broker_file`, and the other way round."""
    if "broker" in layer and "broker_file" in layer:
        raise RequestError(f"{layer['broker'][0]} and {layer['broker_file'][0]} exclude each other; give one")
    for name, other in (("broker", "broker_file"), ("broker_file", "broker")):
        if name in layer:
            layers.pop(other, None)
    layers.update(layer)


def read_symbols(path: Path) -> list[str]:
    """Return the symbols of a file with one per line and `#` comments; RequestError if it is missing or names none."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"symbols file {path} cannot be read: {error}; check --symbols-file") from None
    symbols = []
    for number, line in enumerate(lines, start=1):
        if text := line.partition("#")[0].strip():
            try:
                symbols.append(check_symbol(text))
            except ValueError as error:
                raise RequestError(f"{path} line {number}: {error}") from None
    if not symbols:
        raise RequestError(f"symbols file {path} names no symbol; write one per line")
    return symbols


def _with_profile(layers: Mapping[str, tuple[str, Any]]) -> dict[str, tuple[str, Any]]:
    """The layers with the file options of --format-file below them; RequestError for any other setting in it."""
    path = layers.get("format_file", ("", None))[1]
    values = _file_options(Path(str(path)), "--format-file") if path else {}
    return {name: (f"{path}: {name}", value) for name, value in values.items()} | dict(layers)


def _file_options(path: Path, flag: str) -> dict[str, Any]:
    values, _ = read_toml(path, "format file", flag)
    for name in values:
        if name not in FileOptions.model_fields:
            known = ", ".join(FileOptions.model_fields)
            raise RequestError(f"format file {path}: {name} is not an option of files; they are {known}")
    return values


def _from_file(path: Path | None) -> dict[str, Any]:
    values = {} if path is None else read_toml(path, "config file", "--config")[0]
    fields = [name for kind in (TuneConfig, IngestConfig, ReleaseConfig) for name in kind.model_fields]
    known = [name for name in fields if name not in FILLED_IN]
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`orchestrator run --help` and `ingest --help` list them"
            raise RequestError(f"config file {path}: {name} is not a setting; {hint}")
    return values


def read_toml(path: Path, kind: str, flag: str) -> tuple[dict[str, Any], str]:
    """The values in a TOML file, and its text. RequestError, with the kind of file and its flag, if it is none."""
    try:
        text = read_text(path)
        return tomllib.loads(text), text
    except OSError as error:
        raise RequestError(f"{kind} {path} cannot be read: {error.strerror}; check {flag}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{kind} {path} is not TOML: {error}") from None
    except RecursionError:
        raise RequestError(f"{kind} {path} nests its values too deeply; check {flag}") from None


def _sentence(error: ValidationError, layers: Mapping[str, tuple[str, Any]], in_python: bool) -> str:
    # A wrong value comes first: another one, or a default, may be missing because of it.
    first = min(error.errors(), key=lambda each: RANKS.get(each["type"], 0))
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing" and in_python:
        return f"{name} is missing; give it as an argument"
    if first["type"] == "missing":
        return f"{flag_of(name)} is missing; give it as a flag, as {ENV_PREFIX}{name.upper()} or in the config file"
    message = fault(first)
    if not name:
        return message
    where, value = layers.get(name, (name if in_python else flag_of(name), first["input"]))
    if name == "broker":  # its value may hold a password
        return f"{where}: the URL {message}; write redis://USER:PASSWORD@HOST:PORT/0"
    if name in TABLES:
        where = ".".join([where, *map(str, first["loc"][1:])])
    if first["type"] == "extra_forbidden":
        return f"{where} {message}"
    shown = first["input"] if isinstance(first["input"], str) or name in TABLES else value
    if isinstance(shown, list):  # of a flag that is given several times
        shown = ",".join(map(str, shown))
    is_shown = repr(shown) in message or message.startswith(str(shown))
    return f"{where}: {message}" if is_shown else f"{where} {str(shown)!r} {message}"
