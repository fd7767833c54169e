"""Phase release_audit: the bundle's folders, the plots that a worker draws, and copies of their inputs."""

import json
import shutil
from collections import Counter

from orchestrator.phases.phase_context import RunContext
from schemas.contract.errors import PhaseError
from schemas.contract.run import Phase
from schemas.contract.task import Role
from schemas.files.atomic import to_json, write_atomic
from schemas.files.layout import telemetry_path


def run(context: RunContext) -> None:
    """Write `audit_<run_id>/` except its texts, which the briefing writes; an earlier bundle is replaced."""
    with context.phase(Phase.RELEASE_AUDIT):
        shutil.rmtree(context.audit, ignore_errors=True)
        layout = context.layout
        gates = context.manifest.config.gate_names
        copies = {
            layout.manifest: "configs/run.json",
            layout.validation: "validation_results/validation.json",
            layout.trials: "validation_results/trials.json",
            layout.statistics: "validation_results/statistics.json",
            layout.rows(Role.TEACHER): "validation_results/teacher_runs.json",
            layout.rows(Role.STUDENT): "validation_results/student_runs.json",
        } | {layout.gate(name): f"validation_results/statistics/{name}.json" for name in gates}
        for source, name in copies.items():
            if not source.is_file():
                raise PhaseError(f"{source} is missing, so there is nothing to audit; resume the run")
            write_atomic(context.audit / name, source.read_bytes())
        write_atomic(context.audit / "telemetry_summaries" / "summary.json", to_json(summarise_telemetry(context)))
        context.compute(Role.AUDIT)


def summarise_telemetry(context: RunContext) -> dict[str, object]:
    """Phases from the ledger, and the number of events of each type in the log so far."""
    phases = {
        record.name: {"status": record.status, "duration_seconds": record.duration_seconds}
        for record in context.ledger.phases()
        if record.ended is not None
    }
    path = telemetry_path(context.manifest.config, context.run_id)
    counts: Counter[str] = Counter()
    if context.manifest.config.telemetry:
        context.telemetry.write_new()
        counts.update(json.loads(line)["event_type"] for line in path.read_text(encoding="utf-8").splitlines())
    return {"run_id": context.run_id, "phases": phases, "events": dict(sorted(counts.items()))}
