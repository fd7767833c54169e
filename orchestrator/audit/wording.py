"""Words of the audit: names of models, costs, and sentences on bounds, jumps and teachers."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import prod
from pathlib import Path
from typing import TypeVar

from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.config.run import RunConfig
from schemas.config.target import CLASS, LOSSES, VALUE, Loss, Target
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.judgement import Ordering, Scores, TeacherEffect, Trading, ValueScores
from schemas.contract.numbers import percent, shown
from schemas.contract.quality import JUMPS
from schemas.contract.reason_words import tally

# Symbols or tests that a sentence names.
NAMED = 5
# Bars that end so many calendar days before a run does have ended for good.
EARLY_DAYS = 14

# Percent of the colour of the largest month: text on it stays legible.
STRONGEST = 40.0

BARS = {"1day": "daily bars", "1week": "weekly bars"}
M = TypeVar("M", Scores, ValueScores, Trading, Scores | ValueScores)
# Names of models in tables.
MODELS = {
    "prior": "base rate",
    "window_share": "window's share",
    "student": "student",
    "alone": "student without a teacher",
    "logistic": "logistic, same features",
    "teacher": "teacher",
}
# Where labels are values.
VALUE_MODELS = MODELS | {
    "prior": "historical mean",
    "window_share": "window's mean",
    "zero": "0",
    "logistic": "linear, same features",
}
ORDERING = ("rank IC", "its t", "spread of tails, bps", "its t")
VALUE_SCORES = ("squared error", LOSSES[VALUE].skill, "R2", "sign accuracy", *ORDERING)
COSTS = {
    Costs.FLAT: "{0:g} bps per round trip",
    Costs.NSE_DELIVERY: "NSE's delivery rates of each day ({0:.1f} bps per round trip)",
    Costs.NSE_INTRADAY: "NSE's intraday rates of each day ({0:.1f} bps per round trip)",
    Costs.CONFIG: "the rates given ({0:.1f} bps per round trip)",
}


def years_of(months: Mapping[str, float]) -> list[tuple[str, list[tuple[float | None, float]], float]]:
    """Return each year with its twelve months, None where it has none, and its own growth, from returns in percent.

    Beside each month is the strength of its colour in percent.
    """
    largest = max(map(abs, months.values()), default=0.0) or 1.0
    found = []
    for year in dict.fromkeys(month[:4] for month in months):
        own = [months.get(f"{year}-{month:02}") for month in range(1, 13)]
        growth = 100.0 * (prod(1.0 + each / 100.0 for each in own if each is not None) - 1.0)
        found.append((year, [(each, STRONGEST * abs(each or 0.0) / largest) for each in own], growth))
    return found


def changed_bounds(settings: GateSettings) -> list[str]:
    """Return a sentence for each setting of the gates that differs from its default."""
    usual = GateSettings().model_dump()
    return [
        f"The bound {name} was set to {value:g} for this run; the default is {usual[name]:g}."
        for name, value in settings.model_dump().items()
        if value != usual[name]
    ]


def jumping(bars: CoverageTable) -> dict[str, int]:
    """Return the symbols whose prices jump without an explanation, and how often."""
    return {
        symbol: count
        for symbol, row in bars.symbols.items()
        if (count := sum(finding.count for finding in row.findings if finding.check in JUMPS))
    }


def jumps_of(bars: CoverageTable, keep_jumps: bool) -> str | None:
    """Return the symbols whose bars have unexplained jumps, and what that means for the run; None if there are none."""
    counts = jumping(bars)
    if not counts:
        return None
    named = some([f"{symbol} ({count})" for symbol, count in counts.items()])
    then = "were used (--keep-jumps)" if keep_jumps else "are left out, those nights earn nothing in a book"
    return (
        f"unexplained jumps of prices: {named}; label spans over them {then}, features after them are not corrected;"
        " give those that are splits or bonuses with --corporate-actions"
    )


def models_of(target: Target) -> dict[str, str]:
    """Names of models in tables."""
    return MODELS if target == CLASS else VALUE_MODELS


def value_cells(each: ValueScores) -> tuple[str, ...]:
    """Texts of a model's scores, below `VALUE_SCORES`."""
    return (
        shown(each.squared_error), percent(each.skill, "+"), percent(each.r2, "+"), percent(each.sign_accuracy),
        *ordering_cells(each),
    )  # fmt: skip


def ordering_cells(each: Ordering) -> tuple[str, ...]:
    """Texts of how well a model orders symbols, below `ORDERING`."""
    return tuple(
        shown(number, "+") for number in (each.rank_ic, each.rank_ic_t, each.tail_spread_bps, each.tail_spread_t)
    )


def effect_sentence(effect: TeacherEffect, windows: int, loss: Loss, without: float) -> str:
    """Return how many students a teacher changed, and what that saved or cost on unseen days.

    `without`: the mean loss per row of students without a teacher.
    """
    if effect.saved is None or effect.error is None:
        return f"teachers changed none of {windows:,} students"
    scale = loss.scale or 100.0 / without
    return (
        f"teachers changed {effect.windows:,} of {windows:,} students ({percent(effect.windows / windows)}); that"
        f" {'saved' if effect.saved >= 0 else 'cost'} {shown(scale * abs(effect.saved))} +-"
        f" {shown(scale * effect.error)} {loss.small_unit}"
    )


def untrained_sentences(untrained: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return sentences on the symbols of which no window was trained: one per combination of reasons."""
    symbols: dict[str, list[str]] = {}
    for symbol, reasons in sorted(untrained.items()):
        symbols.setdefault(tally(reasons), []).append(symbol)
    return [f"nothing trained for {some(names)}: {why}" for why, names in symbols.items()]


def bars_of(interval: str) -> str:
    """Return bars of a length in words."""
    return BARS.get(interval, f"{interval} bars")


def subject_of(config: RunConfig, symbols: int) -> str:
    """Return what a run is about: its symbols, bars, horizon, and whether a panel learns together."""
    panel = ", learned together" if config.scope == "panel" else ""
    return (
        f"{symbols} symbol{'s' * (symbols != 1)}{panel}, {bars_of(config.interval)}, horizon of {config.horizon} bars"
    )


def limits_of(manifest: RunManifest, verdicts: Mapping[str, int]) -> list[str]:
    """Return what the numbers of a run do not show; `verdicts`: symbols by the verdict on their bars."""
    rows = manifest.bars.symbols.values() if manifest.bars else ()
    if all(row.adjusted for row in rows):
        prices = "Prices are adjusted for splits and dividends."
    elif manifest.config.keep_jumps:
        prices = (
            "Prices are used as they are, or adjusted by the corporate actions given. A split that is not on record"
            " looks like a fall, in labels and in returns."
        )
    else:
        prices = (
            "Prices are used as they are, or adjusted by the corporate actions given. Jumps that no action explains, as"
            " of a split that is not on record, are left out of labels and returns."
        )
    return [
        prices,
        f"Bars of {verdicts['ok']} symbols are ok, of {verdicts['warn']} need a look, of {verdicts['reject']} were"
        " rejected and left out; configs/run.json has the reasons.",
        _symbols_by_date(manifest),
        "The tested days have now been looked at. The next judgement needs new days.",
    ]


def survivorship_of(manifest: RunManifest) -> str | None:
    """Return a warning where all that is known of the symbols is that they have survived; else None."""
    bars, config = manifest.bars, manifest.config
    if config.members is not None or bars is None or not bars.symbols or _ended(bars, config):
        return None
    many = len(bars.symbols)
    reach = f"the bars of all {many} symbols reach" if many > 1 else "the bars of its symbol reach"
    return (
        f"Survivorship: {reach} {_end_of(bars, config)} and no universe by date was given, so what left the market"
        " before is missing, which makes results look better; give --universe FILE, and the bars of its former members."
    )


def _symbols_by_date(manifest: RunManifest) -> str:
    """Which symbols a run has, and when."""
    bars, config = manifest.bars or CoverageTable(), manifest.config
    if config.universe is not None:
        return f"Symbols belong by date, as {Path(config.universe).name} gives it; their other days count nowhere."
    ended = _ended(bars, config)
    return (
        f"The symbols are those given, whenever they were chosen: the bars of {ended} of {len(bars.symbols)} end before"
        " the run does."
    )


def _ended(bars: CoverageTable, config: RunConfig) -> int:
    """The number of symbols whose bars end before the days of a run do."""
    end = _end_of(bars, config) - timedelta(days=EARLY_DAYS)
    return sum(row.last < end for row in bars.symbols.values())


def _end_of(bars: CoverageTable, config: RunConfig) -> date:
    """The last day of a run of which there are bars."""
    return min(max((row.last for row in bars.symbols.values()), default=config.end_date), config.end_date)


def distinct(found: Mapping[str, M]) -> dict[str, M]:
    """Return the models without the logistic one where it equals the student without a teacher, which it often is."""
    return {name: each for name, each in found.items() if name != "logistic" or each != found.get("alone")}


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
