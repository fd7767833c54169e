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

# Failures that stand before what to do about them.
SHOWN_FAILURES = 2


def print_report(layout: RunLayout, console: Console, code: int, *, as_json: bool) -> None:
    """Print how a run ended, its verdict last; after a failure why, and the command that goes on."""
    from orchestrator.ledger.export import untrained_symbols
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.runs.summary import failed_windows, notes_of, show_end, summarise

    manifest = read_manifest(layout)
    config = manifest.config
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        summary = summarise(manifest, ledger, layout)
        condition = ledger.condition()
        untrained = untrained_symbols(manifest, ledger)
        failures = failed_windows(ledger)
    failed = [sentence for sentences in failures.values() for sentence in sentences]
    notes = notes_of(summary, untrained, failed)
    if not code and failures.keys() - {FailureClass.DATA}:
        command = replace(condition, can_resume=True).next_command(manifest.run_id, config.data_dir)
        notes.insert(min(len(failed), SHOWN_FAILURES), f"to train what failed again: `{command}`")
    if FailureClass.DATA in failures and config.plugins:
        hint = (
            f"if a feature or label was refused: orchestrator check {','.join(config.plugins)}, with the run's --source"
            " and --side; a plug-in that has changed needs a new run"
        )
        notes.insert(min(len(failed), SHOWN_FAILURES), hint)
    show_end(console, summary, notes, config.data_dir)
    if code:
        print_end(console, condition, manifest.run_id, config.data_dir)
    if as_json:
        typer.echo(json.dumps(summary, allow_nan=False))
