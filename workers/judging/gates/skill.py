"""Gate `skill`: whether students predict better than the base rate, simpler students and the live release."""

import numpy as np

from schemas.contract.judgement import LABEL_PERMUTATION, Criterion, Part, Ruling
from schemas.contract.numbers import p_of, shown
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_most, interval_above_zero, not_computable, too_few_days, why_not_testable
from workers.judging.gates.live import beside_live
from workers.judging.gates.registry import gate
from workers.judging.incumbent import incumbent_of
from workers.judging.predictions import Predictions
from workers.judging.statistics.diebold_mariano import diebold_mariano
from workers.judging.statistics.permutation import permute
from workers.scoring.constancy import equal_to_rounding
from workers.scoring.family import Family

NOT_WORSE_ALONE = "not worse than the student without a teacher"


@gate(
    "skill",
    "Do students predict better than each window's base rate, and not worse than simpler students?",
    of_values="Do students predict better than the historical mean and than 0, and not worse than simpler students?",
)
def judge(evidence: Evidence) -> Findings:
    """Require the label permutation, and no loss beside what is live; warn by the interval of the improvement."""
    opponent = evidence.validation.opponent
    prior, student, alone = (evidence.daily_loss(model)[1] for model in (opponent, "student", "alone"))
    incumbent = incumbent_of(evidence)
    permutation, draws = _permutation(evidence)
    criteria = [
        _improvement(evidence, prior - student),
        permutation,
        _not_worse(NOT_WORSE_ALONE, student, alone, evidence),
    ]
    inputs = {}
    if incumbent is not None:
        criteria.append(beside_live(incumbent, evidence.settings.significance, evidence.validation.loss))
        inputs = incumbent.digests
    return Findings(tuple(criteria), inputs, draws={"label_permutation": draws})


def _improvement(evidence: Evidence, daily: Floats) -> Criterion:
    loss = evidence.validation.loss
    if why := why_not_testable(daily, evidence.settings.min_days):
        return not_computable(loss.improvement, why, n=len(daily))
    beside = f", beside {loss.simple(evidence.validation.opponent)}" if len(loss.opponents) > 1 else ""
    return interval_above_zero(loss.improvement, daily, f"{loss.unit}{beside}")


def _better(name: str, ours: Floats, theirs: Floats, evidence: Evidence) -> Criterion:
    """Test whether `ours` is smaller than `theirs`, daily mean losses, by a one-sided Diebold-Mariano test."""
    if why := too_few_days(len(ours), evidence.settings.min_days):
        return not_computable(name, why, n=len(ours))
    try:
        found = diebold_mariano(ours, theirs)
    except ValueError as error:
        return not_computable(name, str(error), n=len(ours))
    bound, loss = evidence.settings.significance, evidence.validation.loss
    reason = (
        f"{loss.change} {shown(-found.mean_difference, '+')} {loss.unit}, p {p_of(found.p)} (Diebold-Mariano,"
        " one-sided)"
    )
    return at_most(name, found.p, bound, reason, n=found.n, p=found.p)


def _not_worse(name: str, ours: Floats, theirs: Floats, evidence: Evidence) -> Criterion:
    """Test whether `theirs` is significantly smaller, which fails. Students that never used a teacher are equal."""
    better = _better(name, theirs, ours, evidence)
    bound = evidence.settings.significance
    if better.p is None:
        if equal_to_rounding(ours, theirs).all():
            return better.model_copy(update={"ruling": Ruling.PASS, "reason": "equal: no student used its teacher"})
        return better
    gain, loss = float((theirs - ours).mean()), evidence.validation.loss
    reason = (
        f"{loss.change} {shown(gain, '+')} {loss.unit}, p {p_of(better.p)} under the hypothesis that it is not worse"
    )
    ruling = Ruling.PASS if better.p > bound else Ruling.FAIL
    return better.model_copy(update={"ruling": ruling, "reason": reason})


def _permutation(evidence: Evidence) -> tuple[Criterion, tuple[float, ...]]:
    name, settings = LABEL_PERMUTATION, evidence.settings
    if_one, if_zero, y = panel(evidence.predictions, evidence.family)
    # The smallest p is 1 / (1 + shifts), and there are two fewer shifts per instant of the shortest one.
    needed = int(np.ceil(1.0 / settings.permutation_p)) + 2 * evidence.min_block_days - 2
    why = too_few_days(evidence.validation.days, settings.min_days)
    if why is None and len(y) < needed:
        why = f"{len(y)} instants, {needed} are needed for a p of {settings.permutation_p:g}: {needed - len(y)} more"
    if why:
        return not_computable(name, why, part=Part.PRIMARY, n=len(y)), ()
    found = permute(
        if_one, if_zero, y, min_shift=evidence.min_block_days, repetitions=settings.permutations, seed=evidence.seed
    )
    reason = f"p {p_of(found.p)}: share of {found.shifts} circular shifts of the labels with as much skill or more"
    criterion = at_most(name, found.p, settings.permutation_p, reason, part=Part.PRIMARY, n=len(y), p=found.p)
    return criterion, tuple(found.null.tolist())


def panel(predictions: Predictions, family: Family) -> tuple[Floats, Floats, Floats]:
    """Arrange rows for the permutation test, as arrays of shape (instants, symbols) with NaN where there is no row.

    They hold the improvement of the loss over that of the base rate, or the historical mean, if the label is 1, the
    same if it is 0, and the label, in which it is linear.
    """
    line, column, shape = predictions.cells
    values = (*family.gains(predictions.prior, predictions.student), predictions.y)
    result = np.full((3, *shape), np.nan)
    for number, value in enumerate(values):
        result[number, line, column] = value
    return result[0], result[1], result[2]
