"""Phase model_validation: a worker scores all students together."""

from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_record import record_trial
from schemas.contract.event import EventStatus, EventType
from schemas.contract.run import Phase
from schemas.contract.task import Role


def run(context: RunContext) -> None:
    """Write `validation.json` and a line of the trial log; PhaseError if there is nothing to score."""
    with context.phase(Phase.MODEL_VALIDATION):
        (outcome,) = context.compute(Role.VALIDATION).values()
        record_trial(context, "scored")
        context.telemetry.emit(
            EventType.VALIDATION_COMPLETE, EventStatus.SUCCESS, Phase.MODEL_VALIDATION, metrics=outcome.metrics,
            duration_seconds=outcome.duration_seconds,
        )  # fmt: skip
