"""What a study maximises: from the windows of a trial so far, and from its scores."""

from collections.abc import Iterable
from datetime import date

from orchestrator.ledger.ledger import WorkRecord
from schemas.config.target import LOSSES
from schemas.config.tuning import OF_LOSSES, Objective
from schemas.contract.errors import DataError
from schemas.contract.judgement import STUDENT, Validation
from schemas.contract.plan import parts_of
from schemas.contract.task import Status


def improvement(students: Iterable[WorkRecord], day: date) -> float | None:
    """Improvement of the loss over the base rate, or the historical mean, of the windows that end on `day` or earlier.

    None if no row of them was scored.
    """
    saved = rows = 0.0
    for each in students:
        window = parts_of(each.name)
        if each.status is Status.SUCCESS and window is not None and window[2] <= day:
            key = next(loss.key for loss in LOSSES.values() if f"scored_{loss.key}" in each.metrics)
            count, student, prior = (
                float(each.metrics[name] or 0) for name in ("scored_rows", f"scored_{key}", f"scored_prior_{key}")
            )
            saved += count * (prior - student)
            rows += count
    return saved / rows if rows else None


def value_of(scores: Validation, objective: Objective) -> float:
    """The objective of a scored trial. DataError if it cannot be computed."""
    if objective in OF_LOSSES:
        return scores.scores["prior"].loss - scores.scores[STUDENT].loss
    alpha = scores.trading[STUDENT].alpha_bps_a_day
    if alpha is None:
        raise DataError("its students made no trade, so it has no alpha")
    return alpha
