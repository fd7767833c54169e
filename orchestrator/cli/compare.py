"""`orchestrator compare`."""

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.options import DataDir, Json, stored_runs
from orchestrator.cli.output import table_of
from orchestrator.cli.run_choice import whole_id
from orchestrator.terminal.console import Console

# Of the column of numbers' names, with the lines of the table.
NUMBER_WIDTH = 46
# Headings for ids that are too long for one.
ORDER = ("first", "second")


def compare(
    first: Annotated[
        str, typer.Argument(help="Id of a judged run, or a part that no other has.", autocompletion=stored_runs)
    ],
    second: Annotated[
        str, typer.Argument(help="Id of another judged run, or a part of it.", autocompletion=stored_runs)
    ],
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """Compare two judged runs: settings, scores and gates.

    Exit code 2 if one of the runs has not been judged.

    \b
    Example:
      orchestrator compare monday tuesday
    """
    from orchestrator.runs.compare import compare as side_by_side

    found = side_by_side(data_dir, *(whole_id(data_dir, each) for each in (first, second)))
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        show(Console(), found)


def show(console: Console, found: dict[str, Any]) -> None:
    """Print a comparison; ids that are too long to head columns are named above the tables."""
    from orchestrator.runs.compare import number_rows, other_rows, plain

    runs = found["runs"]
    if console.is_terminal and sum(map(len, runs)) > console.width - NUMBER_WIDTH:
        for heading, run_id in zip(ORDER, runs, strict=True):
            console.write(f"{heading}: {run_id}")
        runs = list(ORDER)
    if found["settings"]:
        console.table(_table("setting", runs, {k: map(plain, v) for k, v in found["settings"].items()}))
    else:
        console.write("the settings are the same (run id, folders, broker and devices are not compared)")
    if sentence := other_rows(found):
        console.write(sentence)
    console.table(_table("number", runs, number_rows(found)))
    gates = {name: iter(answers) for name, answers in found["gates"].items()}
    gates["symbols that pass"] = (", ".join(names) or "none" for names in found["passing"])
    gates["recommendation"] = iter(found["recommendation"])
    console.table(_table("gate", runs, gates))


def _table(heading: str, runs: list[str], rows: dict[str, Any]) -> Table:
    table = table_of(heading, *runs, left=(heading, *runs))
    for name, cells in rows.items():
        table.add_row(name, *(Text(cell) for cell in cells))
    return table
