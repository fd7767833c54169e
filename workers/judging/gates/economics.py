"""Do the trades earn more than they cost, also where it hurts?"""

import numpy as np

from schemas.contract.judgement import Criterion
from workers.bars.calendar import day_of
from workers.judging.book import Book
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import above, interval_above_zero, lack_of_days, not_computable
from workers.judging.gates.registry import gate
from workers.judging.statistics.bootstrap import mean_interval, sharpe_interval

UNIT = "bps of capital a day after cost"


@gate("economics", "Do their trades earn more than they cost, also where it hurts?")
def judge(evidence: Evidence) -> Findings:
    """Mean and Sharpe ratio of the daily net return lie above 0, and the mean stays there under stress."""
    book = evidence.book()
    daily, settings = book.daily, evidence.settings
    names = ("net return", "Sharpe ratio")
    draws: dict[str, tuple[float, ...]] = {}
    if why := lack_of_days(daily, settings.min_days):
        means: tuple[Criterion, ...] = tuple(not_computable(name, why, n=len(daily)) for name in names)
    else:
        sizes = {"min_block": evidence.min_block_days, "repetitions": settings.repetitions, "seed": evidence.seed}
        mean = mean_interval(daily, confidence=0.95, **sizes)
        draws[names[0]] = mean.draws
        means = (
            interval_above_zero(names[0], mean, UNIT, scale=1e4),
            interval_above_zero(names[1], sharpe_interval(daily, confidence=0.95, **sizes), "a day"),
        )
    return Findings((*means, *_stresses(evidence, book)), draws=draws)


def _stresses(evidence: Evidence, book: Book) -> list[Criterion]:
    settings = evidence.settings
    dear, late = settings.stress_cost, settings.stress_delay_bars
    return [
        _mean_above_zero(f"{dear:g} times the cost", evidence.book(cost_factor=dear)),
        _mean_above_zero(f"{late} bar{'s' * (late > 1)} late", evidence.book(delay_bars=late)),
        _worst_year(book, settings.min_days),
        _without_best_symbol(book),
    ]


def _mean_above_zero(name: str, book: Book) -> Criterion:
    if not len(book.trade_net):
        return not_computable(name, "nothing was traded")
    mean = float(book.daily.mean() * 1e4)
    return above(name, mean, 0.0, f"{mean:+.4g} {UNIT}", n=len(book.day))


def _worst_year(book: Book, min_days: int) -> Criterion:
    name, years = "worst year", np.array([day_of(day).year for day in book.day])
    means = {
        int(year): float(book.daily[years == year].mean() * 1e4)
        for year in np.unique(years)
        if (years == year).sum() >= min_days
    }
    if not means or not len(book.trade_net):
        return not_computable(name, "nothing was traded" if means else f"no year has {min_days} days")
    worst = min(means, key=lambda year: means[year])
    return above(name, means[worst], 0.0, f"{worst}: {means[worst]:+.4g} {UNIT}", n=len(means))


def _without_best_symbol(book: Book) -> Criterion:
    name, sums = "without the best symbol", book.net.sum(axis=0)
    if len(sums) < 2 or not len(book.trade_net):
        return not_computable(name, "nothing was traded" if len(sums) > 1 else "there is one symbol only")
    best = int(sums.argmax())
    rest = float((sums.sum() - sums[best]) / len(book.day) * 1e4 * len(sums) / (len(sums) - 1))
    return above(name, rest, 0.0, f"without {book.symbols[best]}: {rest:+.4g} {UNIT}", n=len(sums))
