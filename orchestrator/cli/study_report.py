"""Final output of `tune`, and what `resume` and `status` print of a study."""

import json
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.output import plural, print_end, table_of
from orchestrator.terminal.console import Console
from schemas.contract.study import Study, StudyTrial
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest

if TYPE_CHECKING:
    from orchestrator.tuning.study_view import StudyView

# Of a long study a terminal shows the best.
MOST_SHOWN = 20


def print_study(layout: RunLayout, console: Console, code: int, *, as_json: bool) -> None:
    """Print a study's trials, the best first, and what it found; after a failure also why, and how to go on."""
    from orchestrator.tuning.study_view import read_study

    manifest, view = read_manifest(layout), read_study(layout)
    study, trials, condition, best = view.study, view.trials, view.condition, view.best
    if as_json:
        summary = {
            "run_id": manifest.run_id,
            "status": condition.status,
            "reason": condition.reason,
            "can_resume": condition.can_resume,
            "study": study.model_dump(mode="json"),
            "trials": [trial.model_dump(mode="json") for trial in trials],
            "best": best and best.number,
            "found": view.found,
            "paths": {"study": str(layout.folder)} | ({"best": str(layout.best)} if layout.best.is_file() else {}),
        }
        typer.echo(json.dumps(summary, allow_nan=False))
        return
    console.write(f"study {manifest.run_id}: {condition.status}")
    _show_trials(console, view)
    for sentence in view.found:
        console.write(sentence)
    _show_importances(console, study, layout, trials)
    if view.run_best is not None:
        console.write(f"best settings: {layout.best}")
        console.write(f"next: {view.run_best}")
    if code:
        print_end(console, condition, manifest.run_id, manifest.config.data_dir)


def _show_trials(console: Console, view: "StudyView") -> None:
    """One row per trial: in a pipe all of them by number, in a terminal the best ones."""
    trials = view.trials
    if not trials:
        return
    shown_first = trials
    if console.is_terminal:
        shown_first = view.ranked[:MOST_SHOWN]
    table = table_of(*view.headings, left=("state",), light=True)
    for each in shown_first:
        table.add_row(*view.cells(each))
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
