"""Phase promotion_briefing: the conclusion in words, each number with its source file, and the manifest."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from orchestrator.audit.conclusion import conclude
from orchestrator.audit.glossary import Marks
from orchestrator.audit.signed_manifest import seal
from orchestrator.audit.templates import page, within_script
from orchestrator.audit.wording import (
    VALUE_SCORES,
    bars_of,
    costs_of,
    distinct,
    limits_of,
    models_of,
    subject_of,
    targets_of,
    untrained_sentences,
    value_cells,
    years_of,
)
from orchestrator.bars.coverage import verdicts_of
from orchestrator.bars.sentences import calendar_doubts
from orchestrator.bars.suggested_actions import suggested_actions
from orchestrator.ledger.export import untrained_symbols
from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_record import record_trial
from schemas.contract.conclusion import Conclusion
from schemas.contract.errors import PhaseError
from schemas.contract.judgement import FEW_ROWS, Statistics, Validation
from schemas.contract.reason_words import words_for
from schemas.contract.run import Phase
from schemas.contract.task import Role
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of, to_json, write_atomic
from schemas.files.run_files import read_model

Charts = dict[str, dict[str, Any]]


class Judged(NamedTuple):
    """What the gates have stored about a run."""

    validation: Validation
    statistics: Statistics
    trials: TrialCount


def run(context: RunContext) -> Conclusion:
    """Write metrics, summary, briefing, report and manifest; returns what they conclude."""
    with context.phase(Phase.PROMOTION_BRIEFING):
        results = context.audit / "validation_results"
        judged = Judged(
            read_model(results / "validation.json", Validation),
            read_model(results / "statistics.json", Statistics),
            read_model(results / "trials.json", TrialCount),
        )
        charts = _charts(context.audit / "plots")
        if not charts:
            raise PhaseError(f"{context.audit / 'plots'} holds no chart; resume the run, which draws the charts again")
        conclusion = conclude(context.manifest, judged.statistics, judged.validation, judged.trials)
        facts = _facts(context, judged, conclusion, charts)
        for name in ("summary.md", "promotion_briefing.md"):
            write_atomic(context.audit / name, page(name, facts))
        write_atomic(
            context.audit / "report.html", page("report.html", facts | _scripts(context.audit / "plots", charts))
        )
        write_atomic(context.audit / "metrics.json", to_json(_metrics(context, judged, conclusion)))
        seal(context.audit, {"run_id": context.run_id}, context.manifest.config.signing_key)
        record_trial(context, "judged", conclusion.recommendation)
        return conclusion


def _charts(plots: Path) -> Charts:
    """The Vega-Lite specification of each chart, by its name."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(plots.glob("*.json"))}


def _scripts(plots: Path, charts: Charts) -> dict[str, Markup]:
    """The chart library and the charts' specifications, escaped for a page's script."""
    library = (plots / "vega.js").read_text(encoding="utf-8")
    return {
        name: within_script(text)
        for name, text in (("vega", library), ("specifications", json.dumps(charts, separators=(",", ":"))))
    }


def _metrics(context: RunContext, judged: Judged, conclusion: Conclusion) -> dict[str, Any]:
    sources = ("validation_results/validation.json", "validation_results/statistics.json")
    return {
        "run_id": context.run_id,
        "recommendation": conclusion.recommendation,
        "conclusion": conclusion.model_dump(mode="json"),
        "validation": judged.validation.model_dump(
            mode="json", exclude={"inputs", "sha256", "per_symbol", "per_window", "run_id"}
        ),
        "gates": [gate.model_dump(mode="json") for gate in judged.statistics.gates],
        "sources": {name: sha256_of(context.audit / name) for name in sources},
    }


def _facts(context: RunContext, judged: Judged, conclusion: Conclusion, charts: Charts) -> dict[str, Any]:
    manifest, bars = context.manifest, context.manifest.bars
    assert bars is not None
    skips = Counter(context.ledger.skips(Role.STUDENT).values())
    return {
        "manifest": manifest,
        "bars": bars,
        "bar_words": bars_of(manifest.config.interval),
        "calendar_doubts": calendar_doubts(bars),
        "suggested_actions": suggested_actions(bars),
        "config": manifest.config,
        "settings": manifest.config.training(),
        "validation": judged.validation,
        "scores": distinct(judged.validation.scores),
        "trading": distinct(judged.validation.trading),
        "years": years_of(judged.validation.months),
        "statistics": judged.statistics,
        "trials": judged.trials,
        "conclusion": conclusion,
        "subject": subject_of(manifest.config, len(bars.symbols)),
        "limits": limits_of(manifest, verdicts_of(bars)),
        "few_rows": FEW_ROWS,
        "marks": Marks(),
        "sources": sorted({row.source for row in bars.symbols.values()}),
        "counts": {role.value: context.ledger.counts(role) for role in (Role.TEACHER, Role.STUDENT)},
        "skips": {words_for(reason): count for reason, count in sorted(skips.items())},
        "untrained": untrained_sentences(untrained_symbols(manifest, context.ledger)),
        "charts": {name: chart.pop("title") for name, chart in charts.items()},
        "models": models_of(judged.validation.target),
        "value_scores": VALUE_SCORES,
        "value_cells": value_cells,
        "targets": targets_of(manifest.config.training()),
        "costs": costs_of(manifest.config.costs, judged.validation.round_trip_bps),
    }
