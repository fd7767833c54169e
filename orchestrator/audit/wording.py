"""Words of the audit: meaning and reasons of a recommendation, names of models, costs. `templates/` has the pages."""

from collections.abc import Sequence

from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.config.training import TrainingSettings
from schemas.contract.coverage import CoverageTable
from schemas.contract.judgement import Criterion, Gate, Recommendation, Ruling, Statistics, Taught
from schemas.contract.quality import JUMPS

MEANING = {
    Recommendation.PROMOTE: (
        "The predictions are not chance, and they earn more than always long, after costs. It can be approved."
    ),
    Recommendation.HOLD: "The evidence does not decide yet. Judge again on more data.",
    Recommendation.REJECT: "A hard test fails, or the students earn less than always long, whatever luck they had.",
}
TOO_LITTLE = "A test that decides cannot be computed yet."

# Symbols or tests that a sentence names.
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
    """Return what a recommendation means, or of a hold that a deciding test could not be computed."""
    rulings = {each.ruling for gate in statistics.gates for each in gate.deciding}
    is_unknown = recommendation is Recommendation.HOLD and Ruling.NOT_COMPUTABLE in rulings
    return TOO_LITTLE if is_unknown else MEANING[recommendation]


def success_reason(gate: Gate, passing: Criterion) -> str:
    """Return what a deciding test found that passes."""
    return f"{gate.name}: {passing.name}: {passing.reason}"


def failure_reason(gate: Gate, failing: Criterion) -> str:
    """Return why a deciding test does not pass."""
    return f"{gate.name}: {failing.name}: {failing.reason}"


def warnings_of(warnings: Sequence[Criterion]) -> str:
    """Return the names of tests that do not pass and decide nothing."""
    return f"{len(warnings)} warning{'s' * (len(warnings) > 1)}: {some([each.name for each in warnings])}"


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


def taught_sentence(taught: Taught, windows: int) -> str:
    """Return how many students a teacher changed, and what that was worth on unseen days."""
    if taught.saved is None or taught.error is None:
        return f"teachers changed none of {windows} students"
    return (
        f"teachers changed {taught.windows} of {windows} students; that saved {1e3 * taught.saved:+.2f} +-"
        f" {1e3 * taught.error:.2f} thousandths of a nat per row"
    )


def some(names: Sequence[str]) -> str:
    """The first `NAMED` names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def targets_of(settings: TrainingSettings) -> str:
    """Return how the decisions of a bar share the capital."""
    share = f"Each bar's decisions get 1/{settings.horizon_bars} of the capital"
    if settings.label == "rank":
        return f"{share}, half of it long and half short: the further a symbol ranks from the middle, the more"
    return f"{share}, an equal share for each symbol"


def costs_of(costs: Costs, round_trip_bps: float) -> str:
    """Return the trading costs that a run was judged with; `round_trip_bps` is their mean per trade."""
    return COSTS[costs].format(round_trip_bps)
