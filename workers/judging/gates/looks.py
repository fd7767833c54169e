"""The test of a candidate that was judged before: evidence on days that its first judgement did not have."""

from datetime import date, timedelta

import numpy as np

from schemas.contract.judgement import ALWAYS_LONG, Criterion, Part, Ruling
from schemas.contract.numbers import p_of, shown
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Ints
from workers.judging.evidence import Evidence
from workers.judging.gates.criteria import at_most, not_computable, why_not_testable
from workers.judging.statistics.e_process import e_process
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import mean_of

NEW_EVIDENCE, HELD_OUT = "evidence since the first judgement", "alpha on the held-out days"


def looking_again(
    evidence: Evidence, judged_until: date | None, opened_from: date | None = None
) -> tuple[Criterion, ...]:
    """The test of a configuration whose first judgement saw days up to `judged_until` and did not promote it.

    With `opened_from`, the first held-out day, the test of a final run: its days are scored for the first time. Empty
    for another first judgement: its own tests have their error rates. Judged again and again, they would lose them.
    Empty as well without a new day: the same evidence has the same verdict.
    """
    if opened_from is not None:
        return (_on_holdout(evidence, opened_from),)
    if judged_until is None or evidence.predictions.day.max() <= day_number(judged_until):
        return ()
    book, market = evidence.book(), evidence.book(ALWAYS_LONG).daily
    bound = 1.0 / evidence.settings.significance
    found = new_alpha(book.day, book.daily, market, judged_until, evidence.min_block_days)
    if found is None:
        why = f"nothing was traded on days up to {judged_until}, which set its scale"
        return (not_computable(NEW_EVIDENCE, why, part=Part.PRIMARY),)
    best = float(e_process(found).max(initial=1.0))
    reason = (
        f"e {shown(best)} on {len(found)} days after {judged_until}, the last day of the first judgement of this"
        f" configuration; {bound:g} are needed, however often it is judged again"
    )
    ruling = Ruling.PASS if best >= bound else Ruling.FAIL
    return (
        Criterion(
            name=NEW_EVIDENCE, part=Part.PRIMARY, ruling=ruling, reason=reason, statistic=best, threshold=bound,
            n=len(found),
        ),
    )  # fmt: skip


def new_alpha(day: Ints, daily: Floats, market: Floats, judged_until: date, overlap_days: int) -> Floats | None:
    """Daily return beside the market's on new days, in deviations; both are measured on the days before.

    `day`, `daily`, `market`: shape (days,). The first `overlap_days` new days are left out: positions of known days
    still end there. None if the days before have no deviation.
    """
    past = day <= day_number(judged_until)
    new = np.flatnonzero(~past)[overlap_days:]
    if past.sum() < 2 or is_constant(market[past]):
        return None
    beta = float(np.cov(daily[past], market[past])[0, 1] / market[past].var(ddof=1))
    beside = daily - beta * market
    if is_constant(beside[past]):
        return None
    result: Floats = beside[new] / beside[past].std(ddof=1)
    return result


def _on_holdout(evidence: Evidence, opened_from: date) -> Criterion:
    book, market = evidence.book(), evidence.book(ALWAYS_LONG).daily
    known = opened_from - timedelta(days=1)
    found = new_alpha(book.day, book.daily, market, known, evidence.min_block_days)
    if found is None:
        nothing = f"nothing was traded on days before {opened_from}, which set its scale"
        return not_computable(HELD_OUT, nothing, part=Part.PRIMARY)
    if why := why_not_testable(found, evidence.settings.min_days):
        return not_computable(HELD_OUT, why, part=Part.PRIMARY, n=len(found))
    mean = mean_of(found)
    p = mean.p_above(0.0)
    reason = (
        f"{shown(mean.value, '+')} deviations per day beside always long, on {len(found)} days from {opened_from} on"
        f" that no run had scored; p {p_of(p)} of at most 0"
    )
    return at_most(HELD_OUT, p, evidence.settings.significance, reason, part=Part.PRIMARY, n=len(found), p=p)
