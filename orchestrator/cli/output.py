"""Helpers for the output of several commands: tables, counts, the next command."""

from collections.abc import Collection
from typing import Literal

from rich.table import Table

from orchestrator.ledger.run_status import RunCondition
from orchestrator.terminal.console import Console
from schemas.contract.run import RunStatus


def table_of(*headings: str, left: Collection[str] = (), no_wrap: bool = False, light: bool = False) -> Table:
    """An empty table; columns named in `left` are aligned left, the others right; long cells are folded.

    A `light` table has no lines, and so more room.
    """
    table = Table(box=None, padding=(0, 1, 0, 0)) if light else Table()
    for heading in headings:
        justify: Literal["left", "right"] = "left" if heading in left else "right"
        table.add_column(heading, justify=justify, overflow="fold", no_wrap=no_wrap)
    return table


def plural(count: int, noun: str) -> str:
    """`count` and `noun`, as in `1 symbol`, `2 symbols`, `no symbols`."""
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def print_end(console: Console, condition: RunCondition, run_id: str, data_dir: str) -> None:
    """Print why a run waits or stopped, and the command that continues it where one can."""
    if condition.reason:
        console.write(f"{condition.status}: {condition.reason}")
    if condition.can_resume:
        console.write(f"to continue: {condition.next_command(run_id, data_dir)}")
    elif condition.status is RunStatus.FAILED:
        console.write("it would fail again; start a new run")
