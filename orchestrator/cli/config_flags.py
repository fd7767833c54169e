"""Commands that take a whole config: one flag per field of its model."""

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic.fields import FieldInfo

from orchestrator.runs.settings import ENV_PREFIX, FILLED_IN, TABLES, flag_of, resolve
from schemas.config.bars import BarsConfig
from schemas.config.sources import default_dates

# Fields that are switches, and how the switch is written.
SWITCHES = {
    "telemetry": "--enable-telemetry/--no-telemetry",
    "local_workers": "--local-workers/--no-local-workers",
    "json_summary": "--json",
    "skip_fetch": "--skip-fetch",
    "reuse": "--reuse",
    "final": "--final",
    "incremental": "--incremental",
    "validate_only": "--validate-only",
    "cross_session": "--cross-session",
    "keep_jumps": "--keep-jumps",
    "reward_weights": "--reward-weights",
    "require_other_approver": "--require-other-approver",
}

# Fields whose flag may be given several times.
REPEATED = ("set",)

Command = Callable[..., Any]
C = TypeVar("C", bound=BarsConfig)


def with_config(kind: type[C], **switches: str) -> Callable[[Callable[..., None]], Command]:
    """Give a command one flag per field of `kind` and `--config`; it is called with the resolved config.

    `switches`: names and help texts of switches that are no settings; the command is called with their values as well.
    """
    return functools.partial(_with_config, kind, switches)


def _with_config(kind: type[C], switches: dict[str, str], command: Callable[..., None]) -> Command:
    @functools.wraps(command)
    def wrapper(config: Path | None, **flags: Any) -> None:
        own = {name: bool(flags.pop(name)) for name in switches}
        command(resolve(kind, flags, config), **own)

    parameters = [_parameter("config", Path | None, "--config", "TOML file with any of these settings.", None)]
    for name, field in kind.model_fields.items():
        if name in TABLES + FILLED_IN:
            continue
        form = bool if name in SWITCHES else list[str] if name in REPEATED else str
        declared, text = SWITCHES.get(name, flag_of(name)), field.description or ""
        parameters.append(_parameter(name, typing.cast(Any, form) | None, declared, text, _shown(name, field)))
    parameters += [_parameter(name, bool | None, flag_of(name), text, None) for name, text in switches.items()]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    text = inspect.cleandoc(command.__doc__ or "")
    wrapper.__doc__ = f"{text}\n\nEvery flag is also an environment variable, such as {ENV_PREFIX}SYMBOLS."
    return wrapper


def _shown(name: str, field: FieldInfo) -> str | None:
    """The default that the help shows; None if it shows none."""
    if name in SWITCHES:
        return None
    if field.is_required():
        return f"sample: {default_dates('sample')[name]}"
    # The description gives a default that depends on another setting.
    return None if field.default_factory is not None or field.default in (None, (), "") else str(field.default)


def _parameter(name: str, kind: Any, flag: str, help_text: str, default: str | None) -> inspect.Parameter:
    option = typer.Option(flag, help=help_text, show_default=default if default is not None else False)
    annotation = typing.cast(Any, Annotated)[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
