"""Derives a recommendation from the tests; the user decides."""

from orchestrator.audit.wording import failure_reason, jumps_of, success_reason, warnings_of
from orchestrator.planning.power import missing_years
from schemas.contract.artifact import RunManifest
from schemas.contract.judgement import Part, Recommendation, Ruling, Statistics, Validation


def recommend(statistics: Statistics) -> tuple[Recommendation, list[str]]:
    """Return the recommendation and its reasons: the deciding tests that do not pass, or all if all do; then warnings.

    Reject if a hard test fails, or if a primary one rules the students out. Promote if every test that decides passes.
    Hold otherwise, also where one of them cannot be computed. Names and texts of tests are not read.
    """
    deciding = [(gate, each) for gate in statistics.gates for each in gate.deciding]
    failing = [(gate, each) for gate, each in deciding if each.ruling is not Ruling.PASS]
    warnings = [each for gate in statistics.gates for each in gate.warnings]
    warned = [warnings_of(warnings)] if warnings else []
    if not failing:
        shown = [(gate, each) for gate, each in deciding if each.part is not Part.HARD] or deciding
        return Recommendation.PROMOTE, [success_reason(gate, each) for gate, each in shown] + warned
    is_rejected = any((each.part is Part.HARD and each.ruling is Ruling.FAIL) or each.rules_out for _, each in failing)
    reasons = [failure_reason(gate, each) for gate, each in failing]
    return Recommendation.REJECT if is_rejected else Recommendation.HOLD, reasons + warned


def recommend_run(
    manifest: RunManifest, statistics: Statistics, validation: Validation
) -> tuple[Recommendation, list[str]]:
    """Return a run's recommendation and its reasons; of a hold also the years that are missing.

    The last one names bars with unexplained jumps, if any.
    """
    recommendation, reasons = recommend(statistics)
    if recommendation is Recommendation.HOLD:
        ratio = validation.trading["student"].information_ratio
        reasons.append(missing_years(ratio, validation.days, manifest.periods_per_year))
    jumps = manifest.bars and jumps_of(manifest.bars, manifest.config.keep_jumps)
    return recommendation, [*reasons, jumps] if jumps else reasons
