"""Criteria of gates: from a number and its bound to a ruling with a reason."""

from schemas.contract.judgement import Criterion, Part, Ruling
from schemas.contract.numbers import between, shown
from workers.bars.series import Floats
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import mean_of


def at_least(
    name: str, statistic: float, threshold: float, reason: str, *, part: Part = Part.WARNING, n: int | None = None,
    p: float | None = None,
) -> Criterion:  # fmt: skip
    """Return a criterion that passes if the statistic is at least the threshold."""
    ruling = Ruling.PASS if statistic >= threshold else Ruling.FAIL
    return Criterion(
        name=name, part=part, ruling=ruling, reason=reason, statistic=statistic, threshold=threshold, n=n, p=p
    )


def at_most(
    name: str, statistic: float, threshold: float, reason: str, *, part: Part = Part.WARNING, n: int | None = None,
    p: float | None = None,
) -> Criterion:  # fmt: skip
    """Return a criterion that passes if the statistic is at most the threshold."""
    ruling = Ruling.PASS if statistic <= threshold else Ruling.FAIL
    return Criterion(
        name=name, part=part, ruling=ruling, reason=reason, statistic=statistic, threshold=threshold, n=n, p=p
    )


def not_computable(name: str, why: str, *, part: Part = Part.WARNING, n: int | None = None) -> Criterion:
    """Return a criterion that cannot be computed, and therefore does not pass; `why` ends with what it needs."""
    return Criterion(name=name, part=part, ruling=Ruling.NOT_COMPUTABLE, reason=f"not computable: {why}", n=n)


def too_few_days(days: int, min_days: int) -> str | None:
    """Return why a test cannot be computed on so many days; None if it can."""
    if days >= min_days:
        return None
    return f"{days} scored days, {min_days} are needed: {min_days - days} more"


def why_not_testable(daily: Floats, min_days: int) -> str | None:
    """Return why a daily series, shape (days,), cannot be tested; None if it can."""
    return too_few_days(len(daily), min_days) or (
        "every day has the same value, predictions that differ are needed" if is_constant(daily) else None
    )


def interval_above_zero(name: str, daily: Floats, unit: str, *, scale: float = 1.0) -> Criterion:
    """Return a warning unless the whole interval of the mean of `daily`, times `scale` in `unit`, is above 0.

    `daily`: shape (days,), not constant; its errors are EWC's.
    """
    found = mean_of(daily)
    mean, low, high = (scale * value for value in (found.value, *found.interval()))
    finding = "above 0" if low > 0 else "below 0" if high < 0 else "not significantly different from 0"
    return Criterion(
        name=name,
        part=Part.WARNING,
        ruling=Ruling.PASS if low > 0 else Ruling.FAIL,
        reason=f"{shown(mean, '+')} {unit}, 95 % interval {between(low, high, '+')}: {finding}",
        statistic=mean,
        threshold=0.0,
        low=low,
        high=high,
        n=len(daily),
    )
