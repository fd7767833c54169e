"""Data of the page Results, read from the files of a run's judgement."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.audit.conclusion import conclude
from orchestrator.dashboard.runs import Run
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Statistics, Validation
from schemas.contract.trials import TrialCount
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest, read_model


@dataclass(frozen=True)
class Judgement:
    """A judged run: its numbers and what they come to."""

    validation: Validation
    statistics: Statistics
    trials: TrialCount
    conclusion: Conclusion


def judgement(layout: RunLayout) -> Judgement | None:
    """Read the judgement of a run; None if it was never judged, FileError if a file is damaged."""
    if not layout.statistics.is_file():
        return None
    statistics, validation = read_model(layout.statistics, Statistics), read_model(layout.validation, Validation)
    trials = read_model(layout.trials, TrialCount)
    return Judgement(validation, statistics, trials, conclude(read_manifest(layout), statistics, validation, trials))


def audit_of(run: Run, release_dir: str) -> Path:
    """The run's audit bundle: in `release_dir`, or else in the folder that the run's config names."""
    given = audit_folder(release_dir, run.run_id)
    return given if given.is_dir() else audit_folder(read_manifest(run.layout).config.release_dir, run.run_id)
