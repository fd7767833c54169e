"""Words of the audit: meaning and reasons of a recommendation, names of models, costs. `templates/` has the pages."""

from collections.abc import Sequence

from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.contract.judgement import Criterion, Gate, Recommendation, Ruling, Statistics

MEANING = {
    Recommendation.PROMOTE: "Every gate passes. It can be approved.",
    Recommendation.HOLD: (
        "Not every gate passes, but no failing test rules the students out. Judge again on more data."
    ),
    Recommendation.REJECT: "The evidence does not support these students.",
}
TOO_LITTLE = "There is too little data: a test that cannot be computed does not pass."

# Names of models in tables.
MODELS = {
    "prior": "base rate",
    "student": "student",
    "alone": "student without a teacher",
    "logistic": "logistic, same features",
    "teacher": "teacher",
}
COSTS = {
    Costs.FLAT: "{0:g} bps per round trip",
    Costs.NSE_DELIVERY: "NSE's delivery rates of each day ({0:.1f} bps per round trip)",
    Costs.NSE_INTRADAY: "NSE's intraday rates of each day ({0:.1f} bps per round trip)",
    Costs.CONFIG: "the rates given ({0:.1f} bps per round trip)",
}


def meaning_of(recommendation: Recommendation, statistics: Statistics) -> str:
    """Return what a recommendation means, or that a deciding test could not be computed."""
    rulings = {each.ruling for gate in statistics.gates for each in gate.deciding}
    return TOO_LITTLE if Ruling.NOT_COMPUTABLE in rulings else MEANING[recommendation]


def success_reason(gate: Gate) -> str:
    """Return why a gate passes, as its first test puts it."""
    return f"{gate.name}: {gate.criteria[0].reason}"


def failure_reason(gate: Gate, failing: Sequence[Criterion]) -> str:
    """Return why a gate fails; `failing` are its deciding tests that do not pass."""
    if not gate.deciding:
        return f"{gate.name}: none of its tests decides"
    first, *others = failing
    more = f" ({len(failing)} of its {len(gate.deciding)} tests fail)" if others else ""
    return f"{gate.name}: {first.name}: {first.reason}{more}"


def changed_bounds(settings: GateSettings) -> list[str]:
    """Return a sentence for each setting of the gates that differs from its default."""
    usual = GateSettings().model_dump()
    return [
        f"The bound {name} was set to {value:g} for this run; the default is {usual[name]:g}."
        for name, value in settings.model_dump().items()
        if value != usual[name]
    ]


def costs_of(costs: Costs, round_trip_bps: float) -> str:
    """Return the trading costs that a run was judged with; `round_trip_bps` is their mean per trade."""
    return COSTS[costs].format(round_trip_bps)
