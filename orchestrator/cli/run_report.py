"""Final output of `run` and `resume`."""

import json
from contextlib import closing

import typer

from orchestrator.cli.output import print_end
from orchestrator.terminal.console import Console
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest

SHOWN_FAILURES = 5


def print_report(layout: RunLayout, console: Console, code: int, *, as_json: bool) -> None:
    """Print a run's summary and failed windows; after a failure also why, and the command that goes on."""
    from orchestrator.ledger.export import untrained_symbols
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import failed_windows, show, summarise

    manifest = read_manifest(layout)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        summary = summarise(manifest, ledger, layout)
        condition = ledger.condition()
        untrained = untrained_symbols(manifest, ledger)
        failures = failed_windows(ledger)
    show(console, summary, untrained)
    for failure in failures[:SHOWN_FAILURES]:
        console.write(f"failed: {failure}")
    if len(failures) > SHOWN_FAILURES:
        console.write(f"failed: {len(failures) - SHOWN_FAILURES} more, see teacher_runs.json and student_runs.json")
    if code:
        print_end(console, condition, manifest.run_id, manifest.config.data_dir)
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
