"""The test beside the live release: a refresh must not be worse on new days, and is equal where nothing changed."""

from schemas.config.target import Loss
from schemas.contract.judgement import NOT_WORSE_THAN_LIVE, Criterion, Part, Ruling
from schemas.contract.numbers import p_of, shown
from workers.bars.series import Floats
from workers.judging.gates.criteria import not_computable
from workers.judging.incumbent import Incumbent
from workers.judging.statistics.diebold_mariano import diebold_mariano
from workers.scoring.constancy import equal_to_rounding

# Fewest days on which two forecasts are compared.
MIN_DAYS = 20


def beside_live(incumbent: Incumbent, significance: float, loss: Loss) -> Criterion:
    """Fail if the live students predict significantly better on days after the bars that their run was judged on.

    With too few such days both are compared on the days that both runs scored; equal predictions pass.
    """
    name = NOT_WORSE_THAN_LIVE
    if incumbent.why_not is not None:
        return not_computable(name, incumbent.why_not, part=Part.HARD)
    new, common = len(incumbent.ours), len(incumbent.common_ours)
    if new >= MIN_DAYS:
        ours, theirs = incumbent.ours, incumbent.theirs
        where = f"on {new} days after its bars"
        more = f"; {incumbent.unchanged:,} of {incumbent.common_rows:,} rows of earlier days have the same prediction"
    else:
        ours, theirs = incumbent.common_ours, incumbent.common_theirs
        where, more = f"on {common} days that both scored, with {new} days after its bars", ""
    ruling, p, found = _not_worse(ours, theirs, significance, loss)
    reason = f"compared with release {incumbent.release_id} {where}: {found}{more}"
    if ruling is Ruling.NOT_COMPUTABLE:
        return not_computable(name, f"{reason}; {MIN_DAYS} are needed", part=Part.HARD, n=len(ours))
    bound = None if p is None else significance
    return Criterion(
        name=name, part=Part.HARD, ruling=ruling, reason=reason, statistic=p, threshold=bound, n=len(ours), p=p
    )


def _not_worse(ours: Floats, theirs: Floats, significance: float, loss: Loss) -> tuple[Ruling, float | None, str]:
    """The ruling, the p of a candidate that is not worse, and both in words; daily mean losses of shape (days,)."""
    if len(ours) and equal_to_rounding(ours, theirs).all():
        return Ruling.PASS, None, "equal"
    if len(ours) < MIN_DAYS:
        return Ruling.NOT_COMPUTABLE, None, "too few days"
    gain = float((theirs - ours).mean())
    words = f"{loss.change} {shown(gain, '+')} {loss.unit}"
    try:
        p = diebold_mariano(theirs, ours).p
    except ValueError:
        return (Ruling.PASS if gain > 0 else Ruling.FAIL), None, f"{words} on every day"
    words += f", p {p_of(p)} under the hypothesis that it is not worse (Diebold-Mariano)"
    return (Ruling.PASS if p > significance else Ruling.FAIL), p, words
