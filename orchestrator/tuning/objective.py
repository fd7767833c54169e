"""What a study maximises: from the windows of a trial so far, and from its scores."""

from collections.abc import Iterable
from datetime import date

from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger import WorkRecord
from schemas.config.tuning import Objective
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import DataError
from schemas.contract.judgement import STUDENT, Validation
from schemas.contract.task import Role, Status


def improvement(students: Iterable[WorkRecord], manifest: RunManifest, day: date) -> float | None:
    """Log-loss improvement over the base rate, nats per row, of the windows that end on `day` or earlier.

    None if no row of them was scored.
    """
    until = {each.window.label for each in planned_of(manifest, Role.STUDENT) if each.window.end <= day}
    saved = rows = 0.0
    for each in students:
        if each.name in until and each.status is Status.SUCCESS:
            count, student, prior = (
                float(each.metrics[name] or 0) for name in ("scored_rows", "scored_log_loss", "scored_prior_log_loss")
            )
            saved += count * (prior - student)
            rows += count
    return saved / rows if rows else None


def value_of(scores: Validation, objective: Objective) -> float:
    """The objective of a scored trial. DataError if it cannot be computed."""
    if objective == "log-loss":
        return scores.scores["prior"].log_loss - scores.scores[STUDENT].log_loss
    alpha = scores.trading[STUDENT].alpha_bps_a_day
    if alpha is None:
        raise DataError("its students made no trade, so it has no alpha")
    return alpha
