"""What every screen shows of a study: its trials as cells, what it found, and the commands that follow."""

from contextlib import closing
from dataclasses import dataclass

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import RunCondition
from orchestrator.tuning.result import written
from orchestrator.tuning.study_log import best_of, read_trials
from schemas.config.tuning import UNITS
from schemas.contract.command_line import command_line
from schemas.contract.errors import FileError
from schemas.contract.numbers import shown
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model

# Without `study.json` a study cannot go on.
NOTHING_LEFT = "delete its folder and begin the study again"


@dataclass(frozen=True)
class StudyView:
    """A study as its files have it now; `found` are the sentences that it ended with, none before."""

    layout: RunLayout
    study: Study
    trials: list[StudyTrial]
    condition: RunCondition
    found: list[str]

    @property
    def best(self) -> StudyTrial | None:
        """The best trial so far."""
        return best_of(self.trials)

    @property
    def ranked(self) -> list[StudyTrial]:
        """The trials, the best first, those without a value last."""
        return sorted(self.trials, key=lambda each: (each.value is None, -(each.value or 0.0), each.number))

    @property
    def unit(self) -> str:
        """Unit of the objective."""
        return UNITS[self.study.settings.objective]

    @property
    def headings(self) -> tuple[str, ...]:
        """Names of the cells of a trial."""
        return ("trial", "state", self.study.settings.objective, *self.study.space)

    def cells(self, trial: StudyTrial) -> tuple[str, ...]:
        """A trial in words: number, state, value, and what it chose; what it left unchanged is empty."""
        value = "" if trial.value is None else shown(trial.value, "+")
        return (
            str(trial.number), trial.state.value, value,
            *(written(trial.chosen.get(name)) for name in self.study.space),
        )  # fmt: skip

    @property
    def run_best(self) -> str | None:
        """The command that runs the best settings; None without a file of them."""
        if not self.layout.best.is_file():
            return None
        return command_line("run", "--config", str(self.layout.best))


def read_study(layout: RunLayout) -> StudyView:
    """Read a study; FileError if one of its files is missing or damaged."""
    study, trials = read_model(layout.study, Study, remedy=NOTHING_LEFT), read_trials(layout)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        condition, found = ledger.condition(), ledger.get("study")
    if not layout.study_trials.is_file() and (found or layout.best.is_file()):
        raise FileError(f"{layout.study_trials} is missing, and trials have ended; restore it")
    return StudyView(layout, study, trials, condition, found.splitlines() if found else [])


def ending(trial: StudyTrial) -> str:
    """How a trial ended, in a few words; of a complete one its value."""
    if trial.same_as is not None:
        return f"same settings as trial {trial.same_as}"
    if trial.state is TrialState.COMPLETE:
        return shown(trial.value, "+")
    if trial.state is TrialState.PRUNED:
        count, last = len(trial.steps), trial.steps[-1] if trial.steps else None
        return f"pruned after {count} window{'' if count == 1 else 's'} at {shown(last, '+')}"
    return f"failed: {trial.message}"
