"""Data of a study's page, in parts that are sent as they change."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from orchestrator.dashboard.rendering import Cell, lasting, mark, part
from orchestrator.dashboard.runs import Run
from orchestrator.dashboard.stream import Parts
from orchestrator.dashboard.study_chart import finding
from orchestrator.ledger.connection import stamp_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.tuning.result import described, written
from orchestrator.tuning.study_view import StudyView, ending, read_study
from schemas.config.tuning import OF_LOSSES, Choices, Domain
from schemas.contract.errors import GurukulError
from schemas.contract.judgement import STUDENT, Validation
from schemas.contract.numbers import between, shown
from schemas.contract.study import StudyTrial, TrialState
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model

# Of a long study the page has the best.
MOST_SHOWN = 500
WORDS = ("trial", "state", "how it ended")


@dataclass(frozen=True)
class _Record:
    """What a trial's own folder has: students that were trained, seconds, and the 95 % interval of an alpha."""

    trained: int
    took_s: float | None
    low: float | None = None
    high: float | None = None


def parts(run: Run) -> Parts:
    """Every part of the page; if a file of the study cannot be read, the reason instead of its trials."""
    try:
        view = read_study(run.layout)
    except GurukulError as error:
        fault = f"The trials cannot be read: {error}."
        return {"now": part("study_now", run=run, view=None, fault=fault), "trials": ""}
    best, space = view.best, view.study.space
    chosen = {} if best is None else best.chosen
    return {
        "now": part(
            "study_now", run=run, view=view, fault="", tiles=_tiles(run, view), commands=_commands(run, view),
            so_far="" if best is None else f"trial {best.number}, {described(chosen)}",
            settings=[(name, written(chosen.get(name)) or "unchanged", _tried(each)) for name, each in space.items()],
        ),
        "trials": part(
            "study_trials", run=run, count=len(view.trials), finding=finding(view), headings=_headings(view),
            words=(*WORDS, *space), rows=[_row(view, each) for each in view.ranked[:MOST_SHOWN]], most=MOST_SHOWN,
            is_loss=_is_loss(view), is_drawn=any(each.value is not None or each.steps for each in view.trials),
        ),
    }  # fmt: skip


def _tiles(run: Run, view: StudyView) -> list[tuple[str, Cell]]:
    settings, best = view.study.settings, view.best
    return [
        ("status", mark(view.condition.status.value)),
        ("trials", f"{len(view.trials):,} of {settings.trials:,}"),
        (f"best {settings.objective}, {view.unit}", shown(best.value if best is not None else None, "+")),
        ("took", lasting(run.took_s) if run.took_s is not None else shown(None)),
        ("scored days before", f"{settings.tune_end}"),
    ]


def _commands(run: Run, view: StudyView) -> list[tuple[str, str]]:
    """What can be done next, and the command for it."""
    found = []
    if view.run_best is not None:
        found.append(("run the best settings on later days", view.run_best))
    if view.condition.can_resume:
        found.append(("continue the study", view.condition.next_command(run.run_id, run.layout.data_dir)))
    return found


def _tried(domain: Domain) -> str:
    """The values of a setting that the study may choose."""
    if isinstance(domain, Choices):
        return ", ".join(map(written, domain.choices))
    scale = ", logarithmic" if domain.log else f", in steps of {domain.step:g}" if domain.step is not None else ""
    return f"{domain.low:g} to {domain.high:g}{scale}"


def _is_loss(view: StudyView) -> bool:
    """Whether a loss is improved: a trial's own file has an interval of its alpha alone."""
    return view.study.settings.objective in OF_LOSSES


def _headings(view: StudyView) -> tuple[str, ...]:
    number, state, value, *names = view.headings
    interval = () if _is_loss(view) else ("95 % interval",)
    return (number, state, value, *interval, *names, "windows trained", "took", "how it ended")


def _row(view: StudyView, trial: StudyTrial) -> tuple[Cell, ...]:
    number, state, value, *chosen = view.cells(trial)
    # A trial that repeats another has no folder of its own.
    record = _record_of(view.layout.trial(trial.number)) if trial.same_as is None else None
    interval = () if _is_loss(view) else (between(record.low, record.high, "+") if record is not None else None,)
    took_s = record.took_s if record is not None else None
    is_plain = trial.state is TrialState.COMPLETE and trial.same_as is None
    return (
        number, mark(state), value, *interval, *chosen, f"{record.trained:,}" if record is not None else None,
        lasting(took_s) if took_s is not None else None, None if is_plain else ending(trial),
    )  # fmt: skip


def _record_of(layout: RunLayout) -> _Record | None:
    """The record of a trial; None if its folder is gone or cannot be read."""
    try:
        return _recorded(layout.folder, stamp_of(layout.ledger))
    except (GurukulError, sqlite3.Error, OSError):
        return None


@lru_cache(maxsize=4096)
def _recorded(folder: Path, stamp: tuple[tuple[int, int], ...]) -> _Record:
    """Read a trial's record, again whenever its ledger has another stamp."""
    layout = RunLayout(folder)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        trained = ledger.counts(Role.STUDENT).get(Status.SUCCESS, 0)
        ended = [(each.started, each.ended) for each in ledger.phases() if each.ended is not None]
    took_s = max(end for _, end in ended) - min(start for start, _ in ended) if ended else None
    if not layout.validation.is_file():
        return _Record(trained, took_s)
    book = read_model(layout.validation, Validation).trading[STUDENT]
    return _Record(trained, took_s, book.alpha_low, book.alpha_high)
