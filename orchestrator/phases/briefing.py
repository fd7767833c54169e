"""Phase promotion_briefing: the recommendation in words, each number with its source file, and the manifest."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from orchestrator.audit.recommendation import recommend_run
from orchestrator.audit.signed_manifest import seal
from orchestrator.audit.templates import page
from orchestrator.audit.wording import MODELS, changed_bounds, costs_of, meaning_of, targets_of, taught_sentence
from orchestrator.bars.coverage import verdicts_of
from orchestrator.bars.sentences import calendar_doubts
from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_record import record_trial
from schemas.contract.errors import PhaseError
from schemas.contract.judgement import Recommendation, Statistics, Validation
from schemas.contract.run import Phase
from schemas.contract.task import Role
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of, to_json, write_atomic
from schemas.files.run_files import read_model


def run(context: RunContext) -> tuple[Recommendation, list[str]]:
    """Write metrics, summary, briefing, report and manifest; returns the recommendation and its reasons."""
    with context.phase(Phase.PROMOTION_BRIEFING):
        results = context.audit / "validation_results"
        validation = read_model(results / "validation.json", Validation)
        statistics = read_model(results / "statistics.json", Statistics)
        charts = sorted(path for path in (context.audit / "plots").glob("*.json"))
        if not charts:
            raise PhaseError(f"{context.audit / 'plots'} holds no chart; resume the run, which draws the charts again")
        recommendation, reasons = recommend_run(context.manifest, statistics, validation)
        facts = _facts(context, validation, statistics, recommendation, reasons, charts)
        facts["trials"] = read_model(results / "trials.json", TrialCount)
        for name in ("summary.md", "promotion_briefing.md"):
            write_atomic(context.audit / name, page(name, facts))
        write_atomic(context.audit / "report.html", page("report.html", facts | _scripts(charts)))
        write_atomic(
            context.audit / "metrics.json", to_json(_metrics(context, validation, statistics, recommendation, reasons))
        )
        seal(context.audit, {"run_id": context.run_id}, context.manifest.config.signing_key)
        record_trial(context, "judged", recommendation)
        return recommendation, reasons


def _scripts(charts: list[Path]) -> dict[str, Markup]:
    """The chart library and the charts' specifications, escaped for a page's script."""
    library = (charts[0].parent / "vega.js").read_text(encoding="utf-8")
    drawn = ",".join(f"{json.dumps(path.stem)}:{path.read_text(encoding='utf-8')}" for path in charts)
    return {
        name: Markup(text.replace("</script", "<\\/script"))
        for name, text in (("vega", library), ("specifications", f"{{{drawn}}}"))
    }


def _metrics(
    context: RunContext,
    validation: Validation,
    statistics: Statistics,
    recommendation: Recommendation,
    reasons: list[str],
) -> dict[str, Any]:
    sources = ("validation_results/validation.json", "validation_results/statistics.json")
    return {
        "run_id": context.run_id,
        "recommendation": recommendation,
        "reasons": reasons,
        "validation": validation.model_dump(
            mode="json", exclude={"inputs", "sha256", "per_symbol", "per_window", "run_id"}
        ),
        "gates": [gate.model_dump(mode="json") for gate in statistics.gates],
        "sources": {name: sha256_of(context.audit / name) for name in sources},
    }


def _facts(
    context: RunContext, validation: Validation, statistics: Statistics, recommendation: Recommendation,
    reasons: list[str], charts: list[Path],
) -> dict[str, Any]:  # fmt: skip
    bars = context.manifest.bars
    assert bars is not None
    roles = {role.value: context.ledger.counts(role) for role in (Role.TEACHER, Role.STUDENT)}
    skips = Counter(record.reason for record in context.ledger.records(Role.STUDENT) if record.reason)
    return {
        "manifest": context.manifest,
        "bars": bars,
        "verdicts": verdicts_of(bars),
        "calendar_doubts": calendar_doubts(bars),
        "config": context.manifest.config,
        "settings": context.manifest.config.training(),
        "validation": validation,
        "statistics": statistics,
        "recommendation": recommendation,
        "meaning": meaning_of(recommendation, statistics),
        "sources": sorted({row.source for row in bars.symbols.values()}),
        "reasons": reasons,
        "counts": roles,
        "skips": dict(sorted(skips.items())),
        "charts": [path.stem for path in charts],
        "plots": [{"name": path.stem, "title": path.stem.replace("_", " ")} for path in charts],
        "changed_bounds": changed_bounds(statistics.settings),
        "models": MODELS,
        "taught": taught_sentence(validation.taught, validation.windows),
        "targets": targets_of(context.manifest.config.training()),
        "costs": costs_of(context.manifest.config.costs, validation.round_trip_bps),
    }
