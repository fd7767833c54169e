"""Gate `calibration`: whether predicted probabilities equal the frequency of what they predict."""

import numpy as np

from schemas.contract.judgement import Criterion, Part, Ruling
from schemas.contract.numbers import between, p_of, shown
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_most, not_computable, too_few_days
from workers.judging.gates.registry import gate
from workers.judging.statistics import calibration
from workers.scoring.metrics import ece


@gate("calibration", "Are the predicted probabilities calibrated?")
def judge(evidence: Evidence) -> Findings:
    """Test Spiegelhalter's z and the calibration slope; the calibration error only informs."""
    predictions, settings = evidence.predictions, evidence.settings
    y, p, day = predictions.y, predictions.student, predictions.day
    names = ("Spiegelhalter's z", "calibration slope", "expected calibration error")
    days = evidence.validation.days
    if days < settings.min_days or p.std() == 0 or y.std() == 0:
        why = too_few_days(days, settings.min_days) or "all predictions or all labels are equal"
        parts = (Part.WARNING, Part.WARNING, Part.INFORMS)
        return Findings(tuple(not_computable(name, why, part=part) for name, part in zip(names, parts, strict=True)))
    sizes = {"min_block": evidence.min_block_days, "repetitions": settings.repetitions, "seed": evidence.seed}
    lags = max(evidence.min_block_days - 1, int(np.ceil(days ** (1 / 3))))
    z = calibration.spiegelhalter_by_day(y, p, day)
    line = calibration.slope_by_day(y, p, day, lags)
    error = calibration.ece_by_day(y, p, day, **sizes)
    inside = line.high >= settings.slope_low and line.low <= settings.slope_high
    criteria = (
        at_most(
            names[0], abs(z.z), settings.calibration_z,
            f"z {shown(z.z, '+')}, p {p_of(z.p)}; standard error from daily sums", n=len(y), p=z.p,
        ),
        Criterion(
            name=names[1], part=Part.WARNING, ruling=Ruling.PASS if inside else Ruling.FAIL, statistic=line.slope,
            low=line.low, high=line.high, threshold=settings.slope_low, n=len(y),
            reason=f"{shown(line.slope)}, 95 % interval {between(line.low, line.high)}; some of it must be in"
            f" {settings.slope_low:g} to {settings.slope_high:g} (1: calibrated, below 1: too confident)",
        ),
        Criterion(
            name=names[2], part=Part.INFORMS, ruling=Ruling.PASS, statistic=ece(y, p), low=error.low, high=error.high,
            n=len(y),
            reason=f"{shown(ece(y, p))}, 95 % of bootstrap samples {between(error.low, error.high)};"
            " above 0 even if calibrated",
        ),
    )  # fmt: skip
    return Findings(criteria)
