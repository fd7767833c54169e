"""Tables: drawn in a terminal, cells with tabs between them in a pipe."""

import io

import pytest
from rich.color import ColorSystem
from rich.text import Text

from orchestrator.cli.compare import show as show_comparison
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


def test_a_sentence_ends_lines_between_words_and_breaks_no_path_and_no_command() -> None:
    """What is to be copied from a terminal has no line end in it, even where it is longer than a line."""
    path, step = "/data/" + "long" * 20, "`orchestrator approve nightly --by NAME --override REASON`"
    made, file = console(terminal=True)
    made.write(Text(f"orchestrator: {'a word ' * 9}{step}; {path} is missing", "red"))
    lines = file.getvalue().splitlines()
    assert any(step in line for line in lines) and path in lines
    assert all(len(line) <= 80 for line in lines if line != path) and len(lines) > 2


def test_a_word_keeps_its_colour_where_lines_are_broken() -> None:
    """Such as the verdict before a finding of an ingestion."""
    made, file = console(terminal=True)
    made.no_color, made._color_system = False, ColorSystem.STANDARD
    made.write(Text.assemble("bars: ", ("reject", "red"), " TCS: " + "a word " * 15, ("at the end", "green")), "  ")
    assert file.getvalue().startswith("  bars: \x1b[31mreject\x1b[0m TCS")
    assert file.getvalue().count("\n") > 1 and "\x1b[32mat the end\x1b[0m\n" in file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_comparison_breaks_no_id(terminal: bool) -> None:
    """Two ids of the default form do not fit beside the names of numbers: a terminal names them above the tables."""
    ids = ["live_candidate_20260102_030405", "live_candidate_20260103_030405"]
    made, file = console(terminal=terminal)
    show_comparison(
        made,
        {
            "runs": ids, "settings": {"seed": [1, 2]}, "same_rows": True, "gates": {"leak": ["passed", "passed"]},
            "numbers": {"maximum drawdown in percent, student": [1.5, None]}, "passing": [[], ["TCS"]],
            "recommendation": ["hold", "promote"],
        },
    )  # fmt: skip
    lines = file.getvalue().splitlines()
    assert [line.split()[-1] for line in lines[:2]] == ids if terminal else lines[0].split("\t")[1:] == ids
    assert not terminal or max(map(len, lines)) <= 80
