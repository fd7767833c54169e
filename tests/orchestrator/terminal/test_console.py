"""Tables: drawn in a terminal, cells with tabs between them in a pipe."""

import io

import pytest
from rich.text import Text

from orchestrator.cli.output import table_of
from orchestrator.cli.runs import show_runs
from orchestrator.terminal.console import Console

RUN = {"run_id": "live_candidate_20260102_030405", "status": "ready_for_review", "recommendation": "promote"}


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    """A console of 80 columns, and what it printed."""
    made = Console()
    made.file = file = io.StringIO()
    made._force_terminal, made.width, made.no_color = terminal, 80, True
    return made, file


def test_a_table_in_a_pipe_is_one_line_of_cells_per_row() -> None:
    """`cut` and a spreadsheet read it: headings first, no frame, no cell of two lines, nothing cut."""
    table = table_of("name", "why")
    table.add_row(Text("a"), "two\nlines [bold]of[/] it")
    table.add_row("b" * 200, "")
    made, file = console(terminal=False)
    made.table(table)
    assert file.getvalue() == f"name\twhy\na\ttwo lines [bold]of[/] it\n{'b' * 200}\t\n"


@pytest.mark.parametrize("terminal", [True, False])
def test_the_list_of_runs_wraps_no_id(terminal: bool) -> None:
    """An id of the default form stands whole in its row, in 80 columns; a reason has a line of its own."""
    counts = {"windows": {"student": {"success": 1234, "skipped": 1080, "failed": 12}}}
    failed = RUN | {"run_id": "monday", "status": "interrupted", "recommendation": None, "reason": "killed " * 20}
    made, file = console(terminal=terminal)
    show_runs(made, [RUN | counts | {"reason": ""}, failed | counts])
    lines = file.getvalue().splitlines()
    row = next(line for line in lines if RUN["run_id"] in line)
    assert row.split() == [RUN["run_id"], RUN["status"], "1234", "1080", "12", "promote"]
    assert not terminal or max(map(len, lines)) <= 80
    assert ("killed " * 20).strip() in " ".join(file.getvalue().split())
