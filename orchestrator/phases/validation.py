"""Phase model_validation: a worker scores all students together."""

from orchestrator.context import RunContext
from orchestrator.trials import record
from schemas.events import EventStatus, EventType, Phase
from schemas.messages import Role


def run(context: RunContext) -> None:
    """Leaves `validation.json`, and a line in the trial ledger; PhaseError if there is nothing to score."""
    with context.phase(Phase.MODEL_VALIDATION):
        (outcome,) = context.compute(Role.VALIDATION).values()
        record(context, "scored")
        context.telemetry.emit(
            EventType.VALIDATION_COMPLETE, EventStatus.SUCCESS, Phase.MODEL_VALIDATION, metrics=outcome.metrics,
            duration_seconds=outcome.duration_seconds,
        )  # fmt: skip
