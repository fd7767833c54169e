"""Gate `economics`: whether trading pays after costs, also under stress."""

import numpy as np

from schemas.config.judgement import GateSettings
from schemas.contract.judgement import ALPHA, ALWAYS_LONG, NET_RETURN, Criterion, Part, Ruling
from schemas.contract.numbers import between, p_of, shown
from workers.bars.calendar import day_of
from workers.bars.series import Floats
from workers.judging.book import Book
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, interval_above_zero, not_computable, why_not_testable
from workers.judging.gates.registry import gate
from workers.judging.trial_log import trials_of
from workers.scoring.constancy import ROUNDING
from workers.scoring.ewc import line_of

UNIT = "bps of capital per day after cost"
NO_TRADES = "no trade was made"


@gate("economics", "Do the trades earn more than always long and more than they cost, also under stress?")
def judge(evidence: Evidence) -> Findings:
    """Require alpha beside always long and a mean net return above 0; warn where it is lost under stress."""
    book, trials = evidence.book(), trials_of(evidence)
    daily, settings = book.daily, evidence.settings
    why = why_not_traded(book, settings.min_days)
    if why:
        net = not_computable(NET_RETURN, why, part=Part.DIRECTION, n=len(daily))
    else:
        direction = {"part": Part.DIRECTION, "ruling": Ruling.PASS if daily.mean() > 0 else Ruling.FAIL}
        net = interval_above_zero(NET_RETURN, daily, UNIT, scale=1e4).model_copy(update=direction)
    alpha = alpha_beside(daily, evidence.book(ALWAYS_LONG).daily, why, trials.tried, settings)
    return Findings((alpha, net, *_stresses(evidence, book)), trials.digests)


def why_not_traded(book: Book, min_days: int) -> str | None:
    """Return why a book's returns cannot be tested, and what they need; None if they can."""
    if not book.traded.any():
        return "nothing was ever held: a prediction above its threshold is needed; with rank labels, unequal ones"
    return why_not_testable(book.daily, min_days)


def alpha_beside(daily: Floats, market: Floats, why_not: str | None, tried: int, settings: GateSettings) -> Criterion:
    """Test whether the intercept of `daily` on `market`, net returns of shape (days,), exceeds the hurdle.

    p is one-sided, with EWC errors, and adjusted for `tried` configurations as if they were independent (Sidak).
    """
    try:
        if why_not:
            raise ValueError(why_not)
        alpha, beta, _ = line_of(daily, market)
    except ValueError as error:
        return not_computable(ALPHA, str(error), part=Part.PRIMARY, n=len(daily))
    hurdle = settings.alpha_hurdle_bps
    p = alpha.p_above(hurdle / 1e4)
    adjusted = float(-np.expm1(tried * np.log1p(-min(p, 1.0 - ROUNDING))))
    low, high = (1e4 * bound for bound in alpha.interval())
    return Criterion(
        name=ALPHA, part=Part.PRIMARY, ruling=Ruling.PASS if adjusted <= settings.significance else Ruling.FAIL,
        statistic=1e4 * alpha.value, threshold=hurdle, low=low, high=high, n=len(daily), p=adjusted,
        reason=f"{shown(1e4 * alpha.value, '+')} bps of capital per day, 95 % interval {between(low, high, '+')}, at a"
        f" beta of {shown(beta.value)}; p {p_of(p)} of an alpha of at most {hurdle:g}"
        + (f", {p_of(adjusted)} as the best of {tried} configurations and selections" if tried > 1 else ""),
    )  # fmt: skip


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
    return at_least(name, mean, 0.0, f"{shown(mean, '+')} {UNIT}", n=len(book.day))


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
    return at_least(name, means[worst], 0.0, f"{worst}: {shown(means[worst], '+')} {UNIT}", n=len(means))


def _without_best_symbol(book: Book) -> Criterion:
    name, sums = "net return without the best symbol", book.net.sum(axis=0)
    if len(sums) < 2 or not book.traded.any():
        return not_computable(name, NO_TRADES if len(sums) > 1 else "the run has only one symbol")
    best = int(sums.argmax())
    rest = float((sums.sum() - sums[best]) / len(book.day) * 1e4 * len(sums) / (len(sums) - 1))
    return at_least(name, rest, 0.0, f"without {book.symbols[best]}: {shown(rest, '+')} {UNIT}", n=len(sums))
