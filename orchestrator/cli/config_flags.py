"""Commands that take a whole config: one flag per field of its model."""

import functools
import inspect
import typing
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic.fields import FieldInfo

from orchestrator.cli.panels import PANEL_OF, PLACE_OF
from orchestrator.runs.settings import ENV_PREFIX, FILLED_IN, TABLES, flag_of, resolve
from schemas.config.bars import BarsConfig
from schemas.config.sources import default_dates
from schemas.terminal.value_types import choices_of, shown_type

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
REPEATED = ("set", "side", "side_lag", "side_max_age")

Command = Callable[..., Any]
C = TypeVar("C", bound=BarsConfig)


def with_config(
    kind: type[C], unused: Collection[str] = (), **switches: str
) -> Callable[[Callable[..., None]], Command]:
    """Give a command one flag per field of `kind` and `--config`; it is called with the resolved config.

    `switches`: names and help texts of switches that are no settings; the command is called with their values as well.
    `unused`: settings that do not change what the command does. They are accepted, so that the line of another command
    can be used, and the help leaves them out.
    """
    return functools.partial(_with_config, kind, frozenset(unused), switches)


def _with_config(
    kind: type[C], unused: frozenset[str], switches: dict[str, str], command: Callable[..., None]
) -> Command:
    @functools.wraps(command)
    def wrapper(config: Path | None, **flags: Any) -> None:
        own = {name: bool(flags.pop(name)) for name in switches}
        command(resolve(kind, flags, config), **own)

    parameters = [
        _setting(name, field, hidden=name in unused)
        for name, field in sorted(kind.model_fields.items(), key=lambda each: PLACE_OF.get(each[0], len(PLACE_OF)))
        if name not in TABLES + FILLED_IN
    ]
    parameters.append(_parameter("config", Path | None, "--config", "TOML file with any of these settings.", "Output"))
    parameters += [_parameter(name, bool | None, flag_of(name), text, "Output") for name, text in switches.items()]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    text = inspect.cleandoc(command.__doc__ or "")
    wrapper.__doc__ = f"{text}\n\nEvery flag is also an environment variable, such as {ENV_PREFIX}SYMBOLS."
    return wrapper


def _setting(name: str, field: FieldInfo, hidden: bool) -> inspect.Parameter:
    """The option of a setting."""
    text, panel = field.description or "", PANEL_OF.get(name)
    if name in SWITCHES:
        if "/" in SWITCHES[name]:
            yes, no = SWITCHES[name].split("/")
            text = f"{text}  [default: {(yes if field.default else no).lstrip('-')}]"
        return _parameter(name, bool | None, SWITCHES[name], text, panel, hidden=hidden)
    if default := _shown(name, field):
        text = f"{text}  [default: {default}]"
    choices = choices_of(field.annotation)
    more: dict[str, Any] = {"autocompletion": lambda: list(choices)} if choices else {}
    more["metavar"] = shown_type(name, field.annotation)
    form = list[str] if name in REPEATED else str
    return _parameter(name, typing.cast(Any, form) | None, flag_of(name), text, panel, hidden=hidden, **more)


def _shown(name: str, field: FieldInfo) -> str | None:
    """The default that the help shows; None if it shows none."""
    if field.is_required():
        known = default_dates("sample").get(name)
        return f"sample: {known}" if known else None
    # The description gives a default that depends on another setting.
    if field.default_factory is not None or field.default in (None, (), ""):
        return None
    return f"{field.default:.10g}" if isinstance(field.default, float) else f"{field.default}"


def _parameter(name: str, kind: Any, flag: str, help_text: str, panel: str | None, **more: Any) -> inspect.Parameter:
    option = typer.Option(flag, help=help_text, show_default=False, rich_help_panel=panel, **more)
    annotation = typing.cast(Any, Annotated)[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
