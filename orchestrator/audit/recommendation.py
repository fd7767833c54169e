"""From gates to a recommendation. A person decides; this says what the numbers support."""

from schemas.contract.judgement import Criterion, Gate, Recommendation, Ruling, Statistics

# Without these nothing else means anything.
FOUNDATIONS = ("data", "leak")
# Where the number itself points the wrong way, more data will not help.
DIRECTIONS = ("log loss saved", "net return", "Sharpe ratio")
COIN_TOSS = 0.5
OVERFITTING = "overfitting"


def recommend(statistics: Statistics) -> tuple[Recommendation, list[str]]:
    """Promote if every gate passes; reject if one is not computable, unsound, or points the wrong way; else hold.

    With a reason for each gate that fails, or for each where all pass.
    """
    failed = [gate for gate in statistics.gates if not gate.passed]
    if not failed:
        return Recommendation.PROMOTE, [f"{gate.name}: {gate.criteria[0].reason}" for gate in statistics.gates]
    reasons = [_sentence(gate) for gate in failed]
    hopeless = any(_hopeless(gate, each) for gate in failed for each in failures(gate))
    return (Recommendation.REJECT if hopeless else Recommendation.HOLD), reasons


def failures(gate: Gate) -> list[Criterion]:
    """The deciding tests that do not pass."""
    return [each for each in gate.deciding if each.ruling is not Ruling.PASS]


def _sentence(gate: Gate) -> str:
    first, *others = failures(gate)
    more = f" ({1 + len(others)} of its {len(gate.deciding)} tests fail)" if others else ""
    return f"{gate.name}: {first.name}: {first.reason}{more}"


def _hopeless(gate: Gate, criterion: Criterion) -> bool:
    if gate.name in FOUNDATIONS or criterion.ruling is Ruling.NOT_COMPUTABLE or criterion.statistic is None:
        return True
    if criterion.name in DIRECTIONS:
        return criterion.statistic <= 0
    return criterion.name == OVERFITTING and criterion.statistic > COIN_TOSS
