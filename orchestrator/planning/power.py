"""How many years of days a test needs: before a run what its days could show, after it what is missing."""

from collections.abc import Sequence
from math import inf, sqrt

from orchestrator.planning.reach import scored_sessions
from schemas.config.interval import periods_per_year
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.numbers import shown
from schemas.contract.window import PlannedWindow

# Quantiles of the normal distribution at 95 % and 80 %: a mean of so many standard errors is found 8 times out of 10.
LEAST_ERRORS = 1.645 + 0.842
SHOWN_RATIOS = (0.5, 1.0, 1.5, 2.0, 3.0)


def years_needed(ratio: float) -> float:
    """Years in which a ratio per year of mean to deviation is found with 80 % power, at 5 % one-sided."""
    return (LEAST_ERRORS / ratio) ** 2 if ratio > 0 else inf


def years_missing(ratio: float | None, days: int, days_per_year: int) -> float | None:
    """Years that are missing at the information ratio of so many days, 0 if none is; None if no number is enough."""
    if ratio is None or ratio <= 0:
        return None
    return max(years_needed(ratio) - days / days_per_year, 0.0)


def missing_years(ratio: float | None, days: int, days_per_year: int) -> str:
    """A sentence on the years that are missing at the information ratio of so many days."""
    missing, years = years_missing(ratio, days, days_per_year), days / days_per_year
    if ratio is None:
        return (
            "Nothing was earned beside the market that could be measured, so the years that are missing are not known."
        )
    if missing is None:
        return f"More years will not help at the present rate: the information ratio is {shown(ratio)} per year."
    found = f"At the present rate (information ratio {shown(ratio)} per year) a decision needs {shown(missing + years)}"
    if missing == 0:
        return (
            f"At the present rate (information ratio {shown(ratio)} per year) {shown(years_needed(ratio))} years are"
            f" enough (80 % power), and {shown(years)} were judged: more days alone may not help."
        )
    return f"{found} years (80 % power), and {shown(years)} were judged: {shown(missing)} more."


def power_sentences(config: RunConfig, windows: Sequence[PlannedWindow], known: CoverageTable) -> list[str]:
    """What a plan could show: the least Sharpe ratio and information coefficient, and years per ratio."""
    usable = [each for each in windows if each.skip is None]
    days = scored_sessions(config, usable, known)
    symbols = len({each.window.symbol for each in usable})
    per_year = periods_per_year(config.interval, {day for row in known.symbols.values() for day in row.weekdays})
    table = ", ".join(f"{ratio:g} needs {shown(years_needed(ratio))}" for ratio in SHOWN_RATIOS)
    sentences = [f"years for 80 % power at 5 %, by Sharpe ratio per year: {table}"]
    if not days:
        return [*sentences, "no window can be scored, so these settings show nothing"]
    years = days / per_year
    least = LEAST_ERRORS / sqrt(years)
    most_bars = max(row.most_bars_a_session for row in known.symbols.values())
    bets = symbols * per_year * most_bars / config.horizon
    return [
        f"at most {days:,} days are scored, {shown(years)} years: they show a Sharpe ratio of {shown(least)} per year"
        " or more",
        f"{symbols} symbols at {config.horizon} bars are at most {shown(bets)} independent decisions per year: before"
        f" costs that ratio is an information coefficient of {shown(least / sqrt(bets))} or more",
        *sentences,
    ]
