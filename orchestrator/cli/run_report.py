"""Final output of `run` and `resume`."""

import json

import typer

from orchestrator.cli.output import resume_command
from orchestrator.terminal.console import Console
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest

SHOWN_FAILURES = 5


def print_report(layout: RunLayout, console: Console, code: int, *, as_json: bool) -> None:
    """Print a run's summary and failed windows; after a failure also why, and the command that goes on."""
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import failed_windows, show, summarise, untrained_symbols

    manifest = read_manifest(layout)
    ledger = Ledger(layout.ledger, read_only=True)
    summary = summarise(manifest, ledger, layout)
    message = ledger.get("message")
    untrained = untrained_symbols(manifest, ledger)
    failures = failed_windows(ledger)
    ledger.close()
    show(console, summary, untrained)
    for failure in failures[:SHOWN_FAILURES]:
        console.write(f"failed: {failure}")
    if len(failures) > SHOWN_FAILURES:
        console.write(f"failed: {len(failures) - SHOWN_FAILURES} more, see teacher_runs.json and student_runs.json")
    if code:
        if message:
            console.write(f"{summary['status']}: {message}")
        teachers = summary["windows"]["teacher"]
        if summary["status"] is not RunStatus.FAILED or teachers["success"] or teachers["failed"]:
            console.write(f"to continue: {resume_command(manifest.run_id, manifest.config.data_dir)}")
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
