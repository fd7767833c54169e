"""Phase statistical_tests: a worker runs the gates."""

from orchestrator.context import RunContext
from schemas.events import EventStatus, EventType, Phase
from schemas.messages import Role


def run(context: RunContext) -> None:
    """Leaves `statistics.json`; a gate that does not pass is a result, not a failure."""
    with context.phase(Phase.STATISTICAL_TESTS):
        outcome = context.compute(Role.STATISTICS)
        context.telemetry.emit(
            EventType.STAT_TEST_COMPLETE, EventStatus.SUCCESS, Phase.STATISTICAL_TESTS, metrics=outcome.metrics,
            duration_seconds=outcome.duration_seconds,
        )  # fmt: skip
