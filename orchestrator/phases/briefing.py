"""Phase promotion_briefing: the verdict in words, each number beside its file, and the manifest of the bundle."""

import base64
from pathlib import Path
from typing import Any

from orchestrator.context import RunContext
from orchestrator.coverage import verdicts_of
from orchestrator.pages import page
from orchestrator.seal import seal
from orchestrator.verdict import recommend
from schemas.errors import PhaseError
from schemas.events import Phase
from schemas.judgement import Recommendation, Ruling, Statistics, Validation
from schemas.layout import sha256_of, to_json, write_atomic
from schemas.messages import Role
from schemas.quality import Check
from schemas.rows import read_model

MEANING = {
    Recommendation.PROMOTE: "Every gate passes. A person may approve it.",
    Recommendation.HOLD: "The numbers point the right way, but chance explains them too. Decide on more data.",
    Recommendation.REJECT: (
        "The evidence does not support these students. Finding that out before trading is the system working."
    ),
}


TOO_LITTLE = "There is too little to judge by, and what cannot be computed does not pass."


def run(context: RunContext) -> tuple[Recommendation, list[str]]:
    """Write metrics, summary, briefing, report and manifest; returns the recommendation and its reasons."""
    with context.phase(Phase.PROMOTION_BRIEFING):
        results = context.audit / "validation_results"
        validation = read_model(results / "validation.json", Validation)
        statistics = read_model(results / "statistics.json", Statistics)
        plots = sorted((context.audit / "plots").glob("*.png"))
        if not plots:
            raise PhaseError(f"{context.audit / 'plots'} holds no plot: the audit left nothing to show")
        recommendation, reasons = recommend(statistics)
        facts = _facts(context, validation, statistics, recommendation, reasons, plots)
        for name in ("summary.md", "promotion_briefing.md", "report.html"):
            write_atomic(context.audit / name, page(name, facts))
        write_atomic(
            context.audit / "metrics.json", to_json(_metrics(context, validation, statistics, recommendation, reasons))
        )
        seal(context.audit, {"run_id": context.run_id}, context.manifest.config.signing_key)
        return recommendation, reasons


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
    reasons: list[str], plots: list[Path],
) -> dict[str, Any]:  # fmt: skip
    bars = context.manifest.bars
    assert bars is not None
    computable = all(each.ruling is not Ruling.NOT_COMPUTABLE for gate in statistics.gates for each in gate.deciding)
    roles = {role.value: context.ledger.counts(role) for role in (Role.TEACHER, Role.STUDENT)}
    skips: dict[str, int] = {}
    for record in context.ledger.records(Role.STUDENT):
        if record.reason:
            skips[record.reason] = skips.get(record.reason, 0) + 1
    return {
        "manifest": context.manifest,
        "bars": bars,
        "verdicts": verdicts_of(bars),
        "gaps": [row.symbol for row in bars.symbols.values() if Check.OVERNIGHT_GAP in {f.check for f in row.findings}],
        "config": context.manifest.config,
        "settings": context.manifest.config.training(),
        "validation": validation,
        "statistics": statistics,
        "recommendation": recommendation,
        "meaning": MEANING[recommendation] if computable else TOO_LITTLE,
        "sources": sorted({row.source for row in bars.symbols.values()}),
        "reasons": reasons,
        "counts": roles,
        "skips": dict(sorted(skips.items())),
        "plots": [
            {
                "name": path.name,
                "title": path.stem.replace("_", " "),
                "data": base64.b64encode(path.read_bytes()).decode(),
            }
            for path in plots
        ],
    }
