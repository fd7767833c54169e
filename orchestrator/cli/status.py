"""`orchestrator status`."""

import json
from contextlib import closing

import typer

from orchestrator.cli.options import DataDir, Json, RunArgument
from orchestrator.cli.output import print_end
from orchestrator.cli.study_report import print_study
from orchestrator.terminal.console import Console
from schemas.files.run_files import open_run

SHOWN_FAILURES = 20


def status(run_id: RunArgument, data_dir: DataDir = "data", as_json: Json = False) -> None:
    """Show a run's progress, or how it ended.

    \b
    Example:
      orchestrator status live_candidate_20260102_030405
    """
    from orchestrator.ledger.export import untrained_symbols
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import failed_windows, notes_of, show, summarise

    manifest, layout = open_run(data_dir, run_id)
    if layout.study.is_file():
        print_study(layout, Console(stderr=as_json), 1, as_json=as_json)
        return
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        summary, untrained = summarise(manifest, ledger, layout), untrained_symbols(manifest, ledger)
        condition, failures = ledger.condition(), failed_windows(ledger)
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
    else:
        console = Console()
        shown = [sentence for sentences in failures.values() for sentence in sentences]
        if len(shown) > SHOWN_FAILURES:
            shown[SHOWN_FAILURES:] = [f"for {len(shown) - SHOWN_FAILURES} more reasons see student_runs.json"]
        show(console, summary, notes_of(summary, untrained, shown))
        print_end(console, condition, run_id, data_dir)
