"""Derives a recommendation from the tests; the user decides."""

from schemas.contract.judgement import Criterion, Gate, Part, Recommendation, Ruling, Statistics


def recommend(statistics: Statistics) -> Recommendation:
    """Return the recommendation.

    Reject if a hard test fails, or if a primary one rules the students out. Promote if every test that decides passes.
    Hold otherwise, also where one of them cannot be computed. Names and texts of tests are not read.
    """
    found = failing(statistics)
    if not found:
        return Recommendation.PROMOTE
    is_rejected = any((each.part is Part.HARD and each.ruling is Ruling.FAIL) or each.rules_out for _, each in found)
    return Recommendation.REJECT if is_rejected else Recommendation.HOLD


def failing(statistics: Statistics) -> list[tuple[Gate, Criterion]]:
    """Return the tests that decide and do not pass, with their gates."""
    deciding = [(gate, each) for gate in statistics.gates for each in gate.deciding]
    return [(gate, each) for gate, each in deciding if each.ruling is not Ruling.PASS]
