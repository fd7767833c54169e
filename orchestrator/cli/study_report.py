"""Final output of `tune`, and what `resume` and `status` print of a study."""

import json
from contextlib import closing

import typer

from orchestrator.cli.output import plural, print_end, table_of
from orchestrator.terminal.console import Console
from schemas.contract.numbers import shown
from schemas.contract.study import Study, StudyTrial
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model

# Of a long study a terminal shows the best.
MOST_SHOWN = 20


def print_study(layout: RunLayout, console: Console, code: int, *, as_json: bool) -> None:
    """Print a study's trials, the best first, and what it found; after a failure also why, and how to go on."""
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.tuning.study_log import best_of, read_trials

    manifest, study, trials = read_manifest(layout), read_model(layout.study, Study), read_trials(layout)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        condition, found = ledger.condition(), ledger.get("study")
    sentences = found.splitlines() if found else []
    best = best_of(trials)
    if as_json:
        summary = {
            "run_id": manifest.run_id,
            "status": condition.status,
            "reason": condition.reason,
            "can_resume": condition.can_resume,
            "study": study.model_dump(mode="json"),
            "trials": [trial.model_dump(mode="json") for trial in trials],
            "best": best and best.number,
            "found": sentences,
            "paths": {"study": str(layout.folder)} | ({"best": str(layout.best)} if layout.best.is_file() else {}),
        }
        typer.echo(json.dumps(summary, allow_nan=False))
        return
    console.write(f"study {manifest.run_id}: {condition.status}")
    _show_trials(console, study, trials)
    for sentence in sentences:
        console.write(sentence)
    _show_importances(console, study, layout, trials)
    if layout.best.is_file():
        console.write(f"best settings: {layout.best}")
        console.write(f"next: orchestrator run --config {layout.best}")
    if code:
        print_end(console, condition, manifest.run_id, manifest.config.data_dir)


def _show_trials(console: Console, study: Study, trials: list[StudyTrial]) -> None:
    """One row per trial: in a pipe all of them by number, in a terminal the best ones."""
    from orchestrator.tuning.result import written

    if not trials:
        return
    shown_first = trials
    if console.is_terminal:
        ranked = sorted(trials, key=lambda each: (each.value is None, -(each.value or 0.0), each.number))
        shown_first = ranked[:MOST_SHOWN]
    table = table_of("trial", "state", study.settings.objective, *study.space, left=("state",), light=True)
    for each in shown_first:
        value = "" if each.value is None else shown(each.value, "+")
        table.add_row(str(each.number), each.state, value, *(written(each.chosen.get(name)) for name in study.space))
    console.table(table)
    if len(shown_first) < len(trials):
        console.write(f"{plural(len(trials) - len(shown_first), 'trial')} more: study.jsonl has all")


def _show_importances(console: Console, study: Study, layout: RunLayout, trials: list[StudyTrial]) -> None:
    """What the differences between complete trials come from, if there are enough of them."""
    from orchestrator.tuning.sampler import importances

    if len(study.space) < 2 or len(trials) < study.settings.trials:
        return
    found = importances(study.space, read_manifest(layout).config, trials)
    if found:
        parts = (f"{name} {share:.0%}" for name, share in sorted(found.items(), key=lambda each: -each[1]))
        console.write(f"differences between trials come from: {', '.join(parts)}")
