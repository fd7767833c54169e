"""The trials of a study that ended, one line each, in the order of their numbers."""

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.contract.errors import FileError
from schemas.contract.received import first_fault
from schemas.contract.study import StudyTrial, TrialState
from schemas.files.jsonl_log import append_line, cut_half_line, locked_log, read_log, whole_lines
from schemas.files.layout import RunLayout


def read_trials(layout: RunLayout) -> list[StudyTrial]:
    """Every trial that ended; FileError for a damaged line."""
    path = layout.study_trials
    trials = []
    for number, line in enumerate(whole_lines(path.read_bytes()) if path.is_file() else []):
        try:
            trial = StudyTrial.model_validate_json(line)
        except ValidationError as error:
            raise FileError(f"{path} line {number + 1} is damaged: {first_fault(error)}; restore it") from None
        if trial.number != number:
            raise FileError(f"{path} line {number + 1} is trial {trial.number}: lines were removed; restore them")
        trials.append(trial)
    return trials


def append_trial(layout: RunLayout, trial: StudyTrial) -> None:
    """Add the next trial; a half-written last line is cut off first."""
    with locked_log(layout.study_trials) as file:
        cut_half_line(file, read_log(file))
        append_line(file, trial.model_dump_json().encode())


def best_of(trials: Sequence[StudyTrial]) -> StudyTrial | None:
    """The complete trial with the largest value, of equal ones the first; None without a complete trial."""
    complete = [each for each in trials if each.state is TrialState.COMPLETE]
    return max(complete, key=lambda each: (each.value or 0.0, -each.number), default=None)
