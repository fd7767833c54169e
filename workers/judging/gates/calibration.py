"""Gate `calibration`: whether predicted probabilities equal frequencies, or predicted values means."""

import numpy as np

from schemas.config.target import VALUE
from schemas.contract.judgement import Criterion, Part, Ruling
from schemas.contract.numbers import between, shown
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_most, not_computable, too_few_days
from workers.judging.gates.registry import gate
from workers.judging.statistics import calibration
from workers.scoring.metrics import ece

BESIDE, Z, SLOPE, ERROR = (
    "calibration beside the base rate", "Spiegelhalter's z", "calibration slope", "expected calibration error",
)  # fmt: skip
ADDED, BIAS = "calibration beside the historical mean", "mean error"
PARTS = {BESIDE: Part.WARNING, SLOPE: Part.WARNING, Z: Part.INFORMS, ERROR: Part.INFORMS}
VALUE_PARTS = {ADDED: Part.WARNING, SLOPE: Part.WARNING, BIAS: Part.INFORMS, ERROR: Part.INFORMS}


@gate("calibration", "Are the predicted probabilities calibrated?", of_values="Are the predicted values calibrated?")
def judge(evidence: Evidence) -> Findings:
    """Test what students add to the calibration of the base rate, and the slope; z and calibration error inform.

    Of values it tests what they add to the historical mean, and the slope; mean error and calibration error inform.
    """
    is_value = evidence.validation.target == VALUE
    predictions, days = evidence.predictions, evidence.validation.days
    y, p = predictions.y, predictions.student
    if days < evidence.settings.min_days or p.std() == 0 or y.std() == 0:
        why = too_few_days(days, evidence.settings.min_days) or "all predictions or all labels are equal"
        parts = VALUE_PARTS if is_value else PARTS
        return Findings(tuple(not_computable(name, why, part=part) for name, part in parts.items()))
    first, third = (_added, _bias) if is_value else (_beside, _z)
    return Findings((first(evidence), _slope(evidence), third(evidence), _error(evidence)))


def _beside(evidence: Evidence) -> Criterion:
    """Fails if students are further from calibrated than the base rate, by more than the error of the difference.

    Its z is above 0 where they are further.
    """
    predictions, bound = evidence.predictions, evidence.settings.calibration_z
    try:
        found = calibration.beside_by_day(predictions.y, predictions.student, predictions.prior, predictions.day)
    except ValueError:
        return Criterion(
            name=BESIDE, part=Part.WARNING, ruling=Ruling.PASS, n=len(predictions.y),
            reason="equal: the students predict the base rate alone",
        )  # fmt: skip
    z = float(np.copysign(found.z, abs(found.excess) - abs(found.other)))
    if z > bound:
        finding = f"too {'confident' if found.z > 0 else 'cautious'}, worse calibrated than the base rate"
    else:
        finding = "better calibrated than the base rate" if z < -bound else "calibrated as the base rate, up to chance"
    return at_most(
        BESIDE, z, bound,
        f"{finding}: the Brier score differs from what the probabilities expect by {shown(found.excess, '+')}, that of"
        f" the base rate by {shown(found.other, '+')}; z {shown(z, '+')}, above 0 for worse",
        n=len(predictions.y),
    )  # fmt: skip


def _added(evidence: Evidence) -> Criterion:
    """Fails if students add more, or less, to the historical mean than labels show, beyond the error of that."""
    predictions, bound = evidence.predictions, evidence.settings.calibration_z
    try:
        found = calibration.error_of_added(predictions.y, predictions.student, predictions.prior, predictions.day)
    except ValueError:
        return Criterion(
            name=ADDED, part=Part.WARNING, ruling=Ruling.PASS, n=len(predictions.y),
            reason="equal: the students predict the historical mean alone",
        )  # fmt: skip
    finding = f"too {'confident' if found.z > 0 else 'cautious'}" if abs(found.z) > bound else "calibrated up to chance"
    return at_most(
        ADDED, abs(found.z), bound,
        f"{finding}: the mean product of what is added and the error is {shown(found.excess, '+')}; z"
        f" {shown(found.z, '+')}, above 0 where too much is added",
        n=len(predictions.y),
    )  # fmt: skip


def _bias(evidence: Evidence) -> Criterion:
    predictions = evidence.predictions
    error = float((predictions.y - predictions.student).mean())
    try:
        found = calibration.bias_by_day(predictions.y, predictions.student, predictions.day)
    except ValueError:
        return not_computable(BIAS, "every day has the same error", part=Part.INFORMS, n=len(predictions.y))
    return Criterion(
        name=BIAS, part=Part.INFORMS, ruling=Ruling.PASS, statistic=error, n=len(predictions.y), p=found.p,
        reason=f"labels are {shown(abs(error))} {'above' if error > 0 else 'below'} predictions on average; z"
        f" {shown(found.z, '+')}; p is that of a mean error of 0",
    )  # fmt: skip


def _z(evidence: Evidence) -> Criterion:
    predictions = evidence.predictions
    found = calibration.spiegelhalter_by_day(predictions.y, predictions.student, predictions.day)
    return Criterion(
        name=Z, part=Part.INFORMS, ruling=Ruling.PASS, statistic=found.z, n=len(predictions.y), p=found.p,
        reason=f"z {shown(found.z, '+')}; p is that of labels drawn with exactly these probabilities. Base rates are"
        " estimated on earlier days, so their own error makes p small also where students add nothing",
    )  # fmt: skip


def _slope(evidence: Evidence) -> Criterion:
    predictions, settings, days = evidence.predictions, evidence.settings, evidence.validation.days
    lags = max(evidence.min_block_days - 1, int(np.ceil(days ** (1 / 3))))
    is_value = evidence.validation.target == VALUE
    line = calibration.slope_by_day(predictions.y, predictions.student, predictions.day, lags, values=is_value)
    inside = line.high >= settings.slope_low and line.low <= settings.slope_high
    return Criterion(
        name=SLOPE, part=Part.WARNING, ruling=Ruling.PASS if inside else Ruling.FAIL, statistic=line.slope,
        low=line.low, high=line.high, threshold=settings.slope_low, n=len(predictions.y),
        reason=f"{shown(line.slope)}, 95 % interval {between(line.low, line.high)}; some of it must be in"
        f" {settings.slope_low:g} to {settings.slope_high:g} (1: calibrated, below 1: too confident)",
    )  # fmt: skip


def _error(evidence: Evidence) -> Criterion:
    y, p, day = evidence.predictions.y, evidence.predictions.student, evidence.predictions.day
    found = calibration.ece_by_day(
        y, p, day, min_block=evidence.min_block_days, repetitions=evidence.settings.repetitions, seed=evidence.seed
    )
    return Criterion(
        name=ERROR, part=Part.INFORMS, ruling=Ruling.PASS, statistic=ece(y, p), low=found.low, high=found.high,
        n=len(y),
        reason=f"{shown(ece(y, p))}, 95 % of bootstrap samples {between(found.low, found.high)};"
        " above 0 even if calibrated",
    )  # fmt: skip
