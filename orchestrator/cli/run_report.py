"""Final output of `run` and `resume`."""

import json
from contextlib import closing
from dataclasses import replace

import typer

from orchestrator.cli.output import print_end
from orchestrator.terminal.console import Console
from schemas.contract.task import FailureClass
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
    shown = [sentence for sentences in failures.values() for sentence in sentences]
    for sentence in shown[:SHOWN_FAILURES]:
        console.write(f"failed: {sentence}")
    if len(shown) > SHOWN_FAILURES:
        more = f"failed: for {len(shown) - SHOWN_FAILURES} more reasons see teacher_runs.json and student_runs.json"
        console.write(more)
    if code:
        print_end(console, condition, manifest.run_id, manifest.config.data_dir)
    elif failures.keys() - {FailureClass.DATA}:
        command = replace(condition, can_resume=True).next_command(manifest.run_id, manifest.config.data_dir)
        console.write(f"to train what failed again: {command}")
    if FailureClass.DATA in failures and (plugins := manifest.config.plugins):
        console.write(
            f"if a feature or label was refused: orchestrator check {','.join(plugins)}, with the run's --source and"
            " --side; a plug-in that has changed needs a new run"
        )
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
