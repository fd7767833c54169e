"""The judgement of a run, read from its files."""

from dataclasses import dataclass

from orchestrator.audit.conclusion import conclude
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Statistics, Validation
from schemas.contract.trials import TrialCount
from schemas.files.layout import RunLayout
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
