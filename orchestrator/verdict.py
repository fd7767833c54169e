"""From gates to a recommendation. A person decides; this says what the numbers support."""

from schemas.artifacts import Recommendation, Statistics


def recommend(statistics: Statistics) -> tuple[Recommendation, list[str]]:
    """Promote if every gate passes; hold if each failed one still points the right way; else reject. With reasons."""
    failed = [gate for gate in statistics.gates if not gate.passed]
    if not failed:
        return Recommendation.PROMOTE, [f"{gate.name}: {gate.reason}" for gate in statistics.gates]
    reasons = [f"{gate.name}: {gate.reason}" for gate in failed]
    hopeful = all(
        gate.low is not None and gate.statistic is not None and gate.statistic > gate.threshold for gate in failed
    )
    return (Recommendation.HOLD if hopeful else Recommendation.REJECT), reasons
