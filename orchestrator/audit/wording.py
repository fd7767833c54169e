"""Words of the audit: meaning and reasons of a recommendation, names of models, costs. `templates/` has the pages."""

from collections.abc import Sequence

from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.contract.coverage import CoverageTable
from schemas.contract.judgement import Criterion, Gate, Recommendation, Ruling, Statistics
from schemas.contract.quality import JUMPS

MEANING = {
    Recommendation.PROMOTE: "Every gate passes. It can be approved.",
    Recommendation.HOLD: (
        "Not every gate passes, but no failing test rules the students out. Judge again on more data."
    ),
    Recommendation.REJECT: "The evidence does not support these students.",
}
TOO_LITTLE = "There is too little data: a test that cannot be computed does not pass."

# Symbols that a sentence names.
NAMED = 5

# Names of models in tables.
MODELS = {
    "prior": "base rate",
    "window_share": "window's share",
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


def jumps_of(bars: CoverageTable, keep_jumps: bool) -> str | None:
    """Return the symbols whose bars have unexplained jumps, and what that means for the run; None if there are none."""
    counts = {
        symbol: count
        for symbol, row in bars.symbols.items()
        if (count := sum(finding.count for finding in row.findings if finding.check in JUMPS))
    }
    if not counts:
        return None
    named = some([f"{symbol} ({count})" for symbol, count in counts.items()])
    then = "were used (--keep-jumps)" if keep_jumps else "are left out, those nights earn nothing in a book"
    return (
        f"bars: unexplained jumps of prices: {named}; label spans over them {then}, features after them are not"
        " corrected; check --corporate-actions"
    )


def some(names: Sequence[str]) -> str:
    """The first `NAMED` names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def costs_of(costs: Costs, round_trip_bps: float) -> str:
    """Return the trading costs that a run was judged with; `round_trip_bps` is their mean per trade."""
    return COSTS[costs].format(round_trip_bps)
