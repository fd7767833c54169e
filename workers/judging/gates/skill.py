"""Do students predict better than what costs nothing: the base rate, a student without a teacher, what is live?"""

import numpy as np

from schemas.contract.judgement import Criterion, Ruling
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_most, interval_above_zero, lack_of_days, not_computable
from workers.judging.gates.registry import gate
from workers.judging.incumbent import Incumbent, incumbent_of
from workers.judging.predictions import Predictions
from workers.judging.statistics.bootstrap import mean_interval
from workers.judging.statistics.diebold_mariano import diebold_mariano
from workers.judging.statistics.permutation import permute
from workers.scoring.log_loss import CLIP
from workers.scoring.newey_west import ROUNDING


@gate("skill", "Do students predict better than each window's base rate, and no worse than simpler ones?")
def judge(evidence: Evidence) -> Findings:
    """Log loss beside the base rate's by bootstrap, Diebold-Mariano and permutation, and beside other students'."""
    prior, student, alone = (evidence.daily_loss(model)[1] for model in ("prior", "student", "alone"))
    incumbent = incumbent_of(evidence)
    permutation, draws = _permutation(evidence)
    saved, samples = _saved(evidence, prior - student)
    criteria = [
        saved,
        _better("beats the base rate", student, prior, evidence),
        permutation,
        _not_worse("no worse than without a teacher", student, alone, evidence),
    ]
    inputs = {}
    if incumbent is not None:
        criteria.append(_beats_incumbent(evidence, incumbent))
        inputs = incumbent.digests
    return Findings(tuple(criteria), inputs, draws={saved.name: samples, permutation.name: draws})


def _saved(evidence: Evidence, daily: Floats) -> tuple[Criterion, tuple[float, ...]]:
    name, settings = "log loss saved", evidence.settings
    if why := lack_of_days(daily, settings.min_days):
        return not_computable(name, why, n=len(daily)), ()
    interval = mean_interval(
        daily, min_block=evidence.min_block_days, repetitions=settings.repetitions, seed=evidence.seed, confidence=0.95
    )
    return interval_above_zero(name, interval, "nats of log loss saved a row"), interval.draws


def _better(name: str, ours: Floats, theirs: Floats, evidence: Evidence) -> Criterion:
    """Diebold and Mariano's test of daily mean log losses, one-sided: ours are smaller."""
    if len(ours) < evidence.settings.min_days:
        return not_computable(name, f"{len(ours)} days, {evidence.settings.min_days} needed", n=len(ours))
    try:
        found = diebold_mariano(ours, theirs, lags=evidence.min_block_days - 1)
    except ValueError as error:
        return not_computable(name, str(error), n=len(ours))
    bound = evidence.settings.significance
    reason = f"{-found.mean_difference:+.4g} nats saved a day, p {found.p:.3g} (Diebold-Mariano, one-sided)"
    return at_most(name, found.p, bound, reason, n=found.n, p=found.p)


def _not_worse(name: str, ours: Floats, theirs: Floats, evidence: Evidence) -> Criterion:
    """Passes unless theirs are better, significantly. Students that never had a use for a teacher are equal."""
    better = _better(name, theirs, ours, evidence)
    bound = evidence.settings.significance
    if better.p is None:
        if np.allclose(ours, theirs, rtol=0.0, atol=ROUNDING):
            return Criterion(
                name=name, ruling=Ruling.PASS, reason="no student used its teacher: they are the same", n=len(ours)
            )
        return better
    gain = float((theirs - ours).mean())
    reason = f"{gain:+.4g} nats saved a day beside it, p {better.p:.3g} that it is no worse"
    ruling = Ruling.PASS if better.p > bound else Ruling.FAIL
    return better.model_copy(update={"ruling": ruling, "reason": reason})


def _beats_incumbent(evidence: Evidence, incumbent: Incumbent) -> Criterion:
    name = "beats what is live"
    if incumbent.why_not is not None:
        return not_computable(name, incumbent.why_not)
    found = _better(name, incumbent.ours, incumbent.theirs, evidence)
    return found.model_copy(update={"reason": f"beside release {incumbent.release_id}: {found.reason}"})


def _permutation(evidence: Evidence) -> tuple[Criterion, tuple[float, ...]]:
    name, settings = "labels shifted in time", evidence.settings
    if_one, if_zero, y = panel(evidence.predictions)
    if len(y) < settings.min_days:
        return not_computable(name, f"{len(y)} days, {settings.min_days} needed", n=len(y)), ()
    found = permute(
        if_one, if_zero, y, min_shift=evidence.min_block_days, repetitions=settings.permutations, seed=evidence.seed
    )
    reason = f"as much skill or more with labels of other days: p {found.p:.3g} over {found.shifts} circular shifts"
    criterion = at_most(name, found.p, settings.permutation_p, reason, n=len(y), p=found.p)
    return criterion, tuple(found.null.tolist())


def panel(predictions: Predictions) -> tuple[Floats, Floats, Floats]:
    """Nats saved if a row's label were 1, if it were 0, and the label: (instants, symbols), NaN without a row."""
    symbols, column = np.unique(predictions.symbol.astype(str), return_inverse=True)
    instants, line = np.unique(predictions.timestamp, return_inverse=True)
    student, prior = (np.clip(p, CLIP, 1 - CLIP) for p in (predictions.student, predictions.prior))
    values = (np.log(student / prior), np.log((1 - student) / (1 - prior)), predictions.y)
    result = np.full((3, len(instants), len(symbols)), np.nan)
    for number, value in enumerate(values):
        result[number, line, column] = value
    return result[0], result[1], result[2]
