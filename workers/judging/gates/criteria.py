"""How a number becomes a ruling, in one sentence."""

from schemas.contract.judgement import Criterion, Favours, Ruling
from workers.bars.series import Floats
from workers.judging.statistics.bootstrap import Interval
from workers.scoring.newey_west import is_constant


def above(
    name: str, statistic: float, threshold: float, reason: str, *, n: int | None = None, decides: bool = True,
    effective_n: float | None = None, p: float | None = None, low: float | None = None, high: float | None = None,
) -> Criterion:  # fmt: skip
    """Passes if the statistic is at least the threshold."""
    ruling = Ruling.PASS if statistic >= threshold else Ruling.FAIL
    return Criterion(
        name=name, ruling=ruling, reason=reason, statistic=statistic, threshold=threshold, n=n, p=p, low=low, high=high,
        effective_n=effective_n, decides=decides,
    )  # fmt: skip


def at_most(
    name: str, statistic: float, threshold: float, reason: str, *, n: int | None = None, decides: bool = True,
    effective_n: float | None = None, p: float | None = None, low: float | None = None, high: float | None = None,
) -> Criterion:  # fmt: skip
    """Passes if the statistic is at most the threshold."""
    ruling = Ruling.PASS if statistic <= threshold else Ruling.FAIL
    return Criterion(
        name=name, ruling=ruling, reason=reason, statistic=statistic, threshold=threshold, n=n, p=p, low=low, high=high,
        effective_n=effective_n, decides=decides,
    )  # fmt: skip


def not_computable(name: str, why: str, *, n: int | None = None, decides: bool = True) -> Criterion:
    """What cannot be computed, and why."""
    return Criterion(name=name, ruling=Ruling.NOT_COMPUTABLE, reason=f"not computable: {why}", n=n, decides=decides)


def lack_of_days(daily: Floats, min_days: int) -> str | None:
    """Why nothing can be said from one value a day, if nothing can."""
    if len(daily) < min_days:
        return f"{len(daily)} days, {min_days} needed"
    return "every day is the same" if is_constant(daily) else None


def interval_above_zero(name: str, interval: Interval, unit: str, *, scale: float = 1.0) -> Criterion:
    """Passes if the whole interval, in units of `1 / scale`, lies above 0."""
    mean, low, high = (scale * value for value in (interval.mean, interval.low, interval.high))
    verdict = "above 0" if low > 0 else "below 0" if high < 0 else "not told apart from 0"
    return Criterion(
        name=name,
        ruling=Ruling.PASS if low > 0 else Ruling.FAIL,
        reason=f"{mean:+.4g} {unit}, 95 % interval {low:+.4g} to {high:+.4g}: {verdict}",
        statistic=mean,
        threshold=0.0,
        low=low,
        high=high,
        n=interval.n,
        effective_n=interval.effective_n,
        favours=Favours.STUDENTS if mean > 0 else Favours.CHANCE,
    )
