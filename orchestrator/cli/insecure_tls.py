"""`--insecure-tls`: a flag of every command that takes `--broker`."""

import copy
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from schemas.terminal.insecure_tls import InsecureTls

R = TypeVar("R")


def with_insecure_tls(command: Callable[..., R]) -> Callable[..., R]:
    """Give `command` the flag, whose callback does all, if it takes `broker_file`; it stands beside that flag."""
    signature = inspect.signature(command)
    if "broker_file" not in signature.parameters:
        return command

    @functools.wraps(command)
    def wrapper(insecure_tls: bool = False, **options: Any) -> R:
        return command(**options)

    parameters = list(signature.parameters.values())
    place = [each.name for each in parameters].index("broker_file")
    kind, option = typing.get_args(InsecureTls)
    beside = typing.get_args(parameters[place].annotation)[-1]
    option = copy.copy(option)
    option.rich_help_panel = beside.rich_help_panel
    shown = typing.cast(Any, Annotated)[kind, option]
    flag = inspect.Parameter("insecure_tls", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=shown)
    parameters.insert(place + 1, flag)
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapper
