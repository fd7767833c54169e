"""Gate `economics`: whether trading pays after costs, also under stress."""

from collections.abc import Mapping

import numpy as np

from schemas.contract.judgement import Criterion
from workers.bars.calendar import day_of
from workers.bars.series import Floats
from workers.judging.book import Book
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, interval_above_zero, not_computable, why_not_testable
from workers.judging.gates.registry import gate
from workers.judging.statistics.bootstrap import mean_interval, sharpe_interval

UNIT = "bps of capital per day after cost"
NET_RETURN, SHARPE_RATIO = "net return per day", "Sharpe ratio per day"
NO_TRADES = "no trade was made"


@gate("economics", "Do the trades earn more than they cost, also under stress?")
def judge(evidence: Evidence) -> Findings:
    """Require intervals of the daily net return and its Sharpe ratio above 0, and a mean above 0 under stress."""
    book = evidence.book()
    daily, settings = book.daily, evidence.settings
    draws: dict[str, tuple[float, ...]] = {}
    if why := why_not_testable(daily, settings.min_days):
        means: tuple[Criterion, ...] = tuple(
            not_computable(name, why, n=len(daily)) for name in (NET_RETURN, SHARPE_RATIO)
        )
    else:
        sizes = {"min_block": evidence.min_block_days, "repetitions": settings.repetitions, "seed": evidence.seed}
        mean = mean_interval(daily, confidence=0.95, **sizes)
        draws["net_return"] = mean.draws
        means = (interval_above_zero(NET_RETURN, mean, UNIT, scale=1e4), _sharpe_ratio(daily, sizes))
    return Findings((*means, *_stresses(evidence, book)), draws=draws)


def _sharpe_ratio(daily: Floats, sizes: Mapping[str, int]) -> Criterion:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = sharpe_interval(daily, confidence=0.95, **sizes)
    if not np.isfinite([ratio.low, ratio.high]).all():
        # A resample without a day of trades has no ratio.
        return not_computable(
            SHARPE_RATIO, f"too few days with a return: {np.count_nonzero(daily)} of {len(daily)}", n=len(daily)
        )
    return interval_above_zero(SHARPE_RATIO, ratio, "per day")


def _stresses(evidence: Evidence, book: Book) -> list[Criterion]:
    settings = evidence.settings
    factor, late = settings.stress_cost, settings.stress_delay_bars
    return [
        _mean_above_zero(f"net return at {factor:g} times the cost", evidence.book(cost_factor=factor)),
        _mean_above_zero(f"net return, traded {late} bar{'s' * (late > 1)} late", evidence.book(delay_bars=late)),
        _worst_year(book, min(settings.min_days, evidence.manifest.periods_per_year // 2)),
        _without_best_symbol(book),
    ]


def _mean_above_zero(name: str, book: Book) -> Criterion:
    if not book.traded.any():
        return not_computable(name, NO_TRADES)
    mean = float(book.daily.mean() * 1e4)
    return at_least(name, mean, 0.0, f"{mean:+.3g} {UNIT}", n=len(book.day))


def _worst_year(book: Book, min_days: int) -> Criterion:
    name, years = "net return in the worst year", np.array([day_of(day).year for day in book.day])
    means = {
        int(year): float(book.daily[years == year].mean() * 1e4)
        for year in np.unique(years)
        if (years == year).sum() >= min_days
    }
    if not means or not book.traded.any():
        return not_computable(name, NO_TRADES if means else f"no year has {min_days} days")
    worst = min(means, key=lambda year: means[year])
    return at_least(name, means[worst], 0.0, f"{worst}: {means[worst]:+.3g} {UNIT}", n=len(means))


def _without_best_symbol(book: Book) -> Criterion:
    name, sums = "net return without the best symbol", book.net.sum(axis=0)
    if len(sums) < 2 or not book.traded.any():
        return not_computable(name, NO_TRADES if len(sums) > 1 else "the run has only one symbol")
    best = int(sums.argmax())
    rest = float((sums.sum() - sums[best]) / len(book.day) * 1e4 * len(sums) / (len(sums) - 1))
    return at_least(name, rest, 0.0, f"without {book.symbols[best]}: {rest:+.3g} {UNIT}", n=len(sums))
