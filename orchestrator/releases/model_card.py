"""The model card of a release: what it is, where it may be used, how it was measured, in the words of the report.

Made of the run's stored files and its approval alone, so that building a release again makes the same card.
"""

from datetime import date

from orchestrator.audit.conclusion import conclude
from orchestrator.audit.templates import page
from orchestrator.audit.wording import costs_of, limits_of, subject_of, targets_of
from orchestrator.bars.coverage import verdicts_of
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.judgement import STUDENT, Statistics, Validation
from schemas.contract.release import Release, Served
from schemas.contract.trials import TrialCount
from schemas.files.layout import MODEL_CARD, RunLayout
from schemas.files.run_files import read_model


def model_card(release: Release, manifest: RunManifest, layout: RunLayout) -> str:
    """Return the text of `model_card.md`. FileError if a file of the judgement is missing or damaged."""
    validation = read_model(layout.validation, Validation)
    statistics, trials = read_model(layout.statistics, Statistics), read_model(layout.trials, TrialCount)
    bars, config = manifest.bars, manifest.config
    assert bars is not None
    students: dict[str, list[str]] = {}
    for symbol, served in release.students.items():
        students.setdefault(served.folder, []).append(symbol)
    facts = {
        "release": release,
        "conclusion": conclude(manifest, statistics, validation, trials),
        "subject": subject_of(config, len(bars.symbols)),
        "settings": config.training(),
        "config": config,
        "bars": bars,
        "sources": sorted({row.source for row in bars.symbols.values()}),
        "students": students,
        "learned": {name: _days(config, release.students[symbols[0]]) for name, symbols in students.items()},
        "validation": validation,
        "trading": validation.trading[STUDENT],
        "targets": targets_of(config.training()),
        "costs": costs_of(config.costs, validation.round_trip_bps),
        "limits": tuple(limits_of(manifest, verdicts_of(bars))),
    }
    return page(MODEL_CARD, facts)


def _days(config: RunConfig, served: Served) -> str:
    """The days whose rows a student learned from."""
    first = config.first_day_learned(served.start, served.end)
    return f"all before {served.end}" if first == date.min else f"{first} to before {served.end}"
