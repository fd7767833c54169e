"""`--broker-file`: a flag of every command that takes `--broker`."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from schemas.contract.errors import RequestError
from schemas.redis.broker_file import BROKER_FILE_ENV, read_broker_file

R = TypeVar("R")

BrokerFile = Annotated[
    str | None,
    typer.Option("--broker-file", help="File that holds the broker's URL; chmod 600.", envvar=BROKER_FILE_ENV),
]


def with_broker_file(command: Callable[..., R]) -> Callable[..., R]:
    """Give `command` the flag if it takes `broker`; a command whose config has `broker_file` is returned unchanged."""
    signature = inspect.signature(command)
    if "broker" not in signature.parameters or "broker_file" in signature.parameters:
        return command

    @functools.wraps(command)
    def wrapper(context: typer.Context, broker_file: str | None = None, **options: Any) -> R:
        if broker_file is not None and _file_wins(context, options["broker"]):
            options["broker"] = read_broker_file(broker_file)
        return command(**options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [each.replace(kind=keyword) for each in signature.parameters.values()]
    place = [each.name for each in parameters].index("broker") + 1
    parameters.insert(place, inspect.Parameter("broker_file", keyword, default=None, annotation=BrokerFile))
    parameters.insert(0, inspect.Parameter("context", keyword, annotation=typer.Context))
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    return wrapper


def _file_wins(context: typer.Context, broker: str | None) -> bool:
    """Whether the file is read, given `--broker`: a flag wins over a variable; RequestError if both are of one kind."""
    if broker is None:
        return True
    by_flag = [
        (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
        for name in ("broker", "broker_file")
    ]
    if by_flag[0] == by_flag[1]:
        raise RequestError("--broker and --broker-file exclude each other, and so do their variables; give one")
    return by_flag[1]
