"""Data of the page Trials: the configurations that count against a run's result."""

from datetime import datetime
from typing import Any

from orchestrator.dashboard.rendering import Cell, link, listed, mark, when
from orchestrator.dashboard.runs import Run
from schemas.contract.errors import GurukulError
from schemas.contract.numbers import shown
from schemas.contract.trials import Trial, TrialCount
from schemas.files.run_files import read_manifest, read_model
from schemas.files.trial_log import known_trials, trial_logs

SHOWN = 200
HEADINGS = ("run", "when", "what", "symbols", "scored days", "Sharpe", "without a teacher", "verdict")


def trial_facts(run: Run) -> dict[str, Any]:
    """The count that the run was corrected for, and the lines of the ledger on its symbols and days, newest first."""
    if run.condition is None:
        return {"count": None, "rows": [], "headings": HEADINGS, "notes": ["The run's files are on another host."]}
    config = read_manifest(run.layout).config
    count = read_model(run.layout.trials, TrialCount) if run.layout.trials.is_file() else None
    notes = list(count.notes) if count is not None else []
    try:
        known = known_trials(trial_logs(config))
    except (GurukulError, OSError) as error:
        return {"count": count, "rows": [], "headings": HEADINGS, "notes": [*notes, f"{error}."]}
    own = [trial for trial in known.trials if trial.run_id == run.run_id]
    if not own:
        return {"count": count, "rows": [], "headings": HEADINGS, "notes": [*notes, *known.faults]}
    mine = own[-1]
    newest = {trial.run_id: trial for trial in known.trials if trial.concerns(mine.symbols, mine.first, mine.last)}
    began: dict[str, datetime] = {}
    for trial in known.trials:
        began[trial.run_id] = min(trial.time, began.get(trial.run_id, trial.time))
    later = {run_id for run_id in newest if began[run_id] > mine.time}
    rows = [_row(trial, run, later) for trial in sorted(newest.values(), key=lambda each: each.time, reverse=True)]
    return {"count": count, "rows": rows[:SHOWN], "headings": HEADINGS, "notes": [*notes, *known.faults]}


def _elsewhere(trial: Trial) -> Cell:
    """A run of another data folder, which is on a line of its own."""
    return listed([trial.run_id, f"in {trial.data_dir}"], "<br>")


def _row(trial: Trial, run: Run, later: set[str]) -> tuple[Cell, ...]:
    """A run's newest line: what was tried on what, and how it did."""
    name: Cell = f"{trial.run_id} (this run)"
    if trial.run_id != run.run_id:
        is_here = (run.layout.folder.parent / trial.run_id).is_dir()
        name = link(f"/runs/{trial.run_id}", trial.run_id) if is_here else _elsewhere(trial)
    kind = f"{trial.kind}, later" if trial.run_id in later else trial.kind
    return (
        name, when(trial.time), kind, f"{len(trial.symbols)}", f"{trial.first} to {trial.last}",
        shown(trial.sharpes.get("student"), "+"), shown(trial.sharpes.get("alone"), "+"),
        mark(trial.recommendation.value) if trial.recommendation is not None else None,
    )  # fmt: skip
