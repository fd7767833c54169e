"""`orchestrator compare`: two runs side by side."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import fail
from orchestrator.terminal.console import Console
from schemas.contract.errors import GurukulError


def compare(
    first: Annotated[str, typer.Argument(help="A run that was judged.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    data_dir: Annotated[
        str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")
    ] = "data",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what two runs were asked differently, and how they scored. Ends with 2 if one was never judged.

    \b
    Example:
      orchestrator compare monday tuesday
    """
    from orchestrator.runs.compare import compare as side_by_side

    try:
        found = side_by_side(data_dir, first, second)
    except GurukulError as error:
        raise fail(error) from None
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        _show(Console(), found)


def _show(console: Console, found: dict[str, Any]) -> None:
    if found["settings"]:
        console.print(_table("setting", found["runs"], {k: map(_plain, v) for k, v in found["settings"].items()}))
    else:
        console.write("asked for the same, but for where and when")
    if not found["same_rows"]:
        spans = " and ".join(
            f"{rows} from {first} to {last}" for rows, (first, last) in zip(found["rows"], found["span"], strict=True)
        )
        console.write(f"they scored other rows ({spans}): numbers below are not of the same days, symbols or labels")
    console.print(_table("number", found["runs"], {k: map(_number, v) for k, v in found["numbers"].items()}))
    gates = {name: ("passed" if each else "not passed" for each in passed) for name, passed in found["gates"].items()}
    gates["symbols that pass"] = (", ".join(names) or "none" for names in found["passing"])
    gates["recommendation"] = iter(found["recommendation"])
    console.print(_table("gate", found["runs"], gates))


def _table(heading: str, runs: list[str], rows: dict[str, Any]) -> Table:
    table = Table()
    for name in (heading, *runs):
        table.add_column(name, overflow="fold")
    for name, cells in rows.items():
        table.add_row(name, *(Text(cell) for cell in cells))
    return table


def _plain(value: object) -> str:
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
