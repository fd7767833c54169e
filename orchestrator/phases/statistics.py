"""Phase statistical_tests: workers judge the gates, one task per gate; the orchestrator combines them."""

from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_record import write_trial_count
from schemas.contract.errors import PhaseError
from schemas.contract.event import EventStatus, EventType
from schemas.contract.judgement import GateReport, Statistics
from schemas.contract.run import Phase
from schemas.contract.task import Metric, Role
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of
from schemas.files.run_files import read_model, write_model


def run(context: RunContext) -> None:
    """Write `statistics.json`; a gate that does not pass is a result, not a failure."""
    gates = context.manifest.config.gate_names
    with context.phase(Phase.STATISTICAL_TESTS, total=len(gates)):
        write_trial_count(context)
        # A worker that does not see this folder does not see the live release beside it either, and refuses to judge.
        context.audit.mkdir(parents=True, exist_ok=True)
        outcomes = context.compute(Role.STATISTICS, gates, Phase.STATISTICAL_TESTS)
        reports = {name: read_model(context.layout.gate(name), GateReport) for name in gates}
        for name, outcome in outcomes.items():
            path = context.layout.gate(name)
            if sha256_of(path) != outcome.digests[path.name]:
                raise PhaseError(f"{path} is not what the gate's task wrote; resume the run")
        write_model(context.layout.statistics, gathered(context, reports))
        metrics: dict[str, Metric] = {f"{name}_passed": report.gate.passed for name, report in reports.items()}
        seconds = sum(outcome.duration_seconds for outcome in outcomes.values())
        context.telemetry.emit(
            EventType.STAT_TEST_COMPLETE, EventStatus.SUCCESS, Phase.STATISTICAL_TESTS, metrics=metrics,
            duration_seconds=seconds,
        )  # fmt: skip


def gathered(context: RunContext, reports: dict[str, GateReport]) -> Statistics:
    """All gates in order, what they found of each symbol, and who passed."""
    config, symbols = context.manifest.config, reports["symbols"]
    gates = config.gate_names
    return Statistics(
        run_id=context.run_id,
        seed=config.seed,
        settings=config.gates,
        trials=read_model(context.layout.trials, TrialCount).trials,
        gates=tuple(reports[name].gate for name in gates),
        symbols=symbols.symbols,
        passing=symbols.passing,
        inputs={f"statistics/{name}.json": sha256_of(context.layout.gate(name)) for name in gates},
    )
