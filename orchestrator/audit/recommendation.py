"""Derives a recommendation from the gates; the user decides."""

from orchestrator.audit.wording import failure_reason, jumps_of, success_reason
from orchestrator.planning.power import missing_years
from schemas.contract.artifact import RunManifest
from schemas.contract.judgement import Criterion, Favours, Gate, Recommendation, Ruling, Statistics, Validation

# If one of these gates fails, the results of the other gates are not valid.
FOUNDATIONS = ("data", "leak")


def recommend(statistics: Statistics) -> tuple[Recommendation, list[str]]:
    """Return the recommendation, and one reason for each gate that fails, or for each gate if all pass.

    Promote if every gate passes. Reject if a failing test belongs to a foundation gate, is not computable, or favours
    chance, because more data will not help then. Hold in any other case. Names and texts of tests are not read.
    """
    failed = [gate for gate in statistics.gates if not gate.passed]
    if not failed:
        return Recommendation.PROMOTE, [success_reason(gate) for gate in statistics.gates]
    reasons = [failure_reason(gate, failures(gate)) for gate in failed]
    is_hopeless = any(_is_hopeless(gate, each) for gate in failed for each in failures(gate))
    return (Recommendation.REJECT if is_hopeless else Recommendation.HOLD), reasons


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


def failures(gate: Gate) -> list[Criterion]:
    """The deciding tests of a gate that do not pass."""
    return [each for each in gate.deciding if each.ruling is not Ruling.PASS]


def _is_hopeless(gate: Gate, criterion: Criterion) -> bool:
    is_unknown = criterion.ruling is Ruling.NOT_COMPUTABLE or criterion.statistic is None
    return gate.name in FOUNDATIONS or is_unknown or criterion.favours is Favours.CHANCE
