"""Write `teacher_runs.json` and `student_runs.json`, one row per planned window; count what was not trained."""

from collections import Counter
from datetime import UTC, datetime

from orchestrator.ledger.ledger import Ledger, WorkRecord
from orchestrator.planning.windows import in_scope
from schemas.contract.artifact import RunManifest, RunRow
from schemas.contract.errors import PhaseError
from schemas.contract.plan import Plan
from schemas.contract.task import Role, Status
from schemas.contract.window import Window
from schemas.files.layout import METADATA, RunLayout
from schemas.files.run_files import write_rows


def store_rows(manifest: RunManifest, ledger: Ledger, layout: RunLayout, role: Role) -> None:
    """Write a role's rows in plan order, one at a time; PhaseError if the ledger lacks a window's end."""
    windows = (planned.window for planned in planned_of(manifest, role))
    rows = (_row(manifest.run_id, window, ledger.record_of(role, window.label), role) for window in windows)
    write_rows(layout, role, rows)


def planned_of(manifest: RunManifest, role: Role) -> Plan:
    """What the plan holds for a role, in its order: a window per symbol, or one of all symbols."""
    settings = manifest.config.training()
    scope = settings.scope if role is Role.TEACHER else settings.scope_of_students
    return manifest.plan if scope == "symbol" else Plan(in_scope(manifest.plan, scope))


def untrained_symbols(manifest: RunManifest, ledger: Ledger) -> dict[str, Counter[str]]:
    """Symbols of which every window was skipped, and how often for which reason."""
    skips = ledger.skips(Role.STUDENT)
    reasons: dict[str, Counter[str]] = {}
    trained = set()
    scope = manifest.config.training().scope_of_students
    for planned in manifest.plan:
        if (reason := planned.skip or skips.get(planned.window.in_scope(scope).label)) is not None:
            reasons.setdefault(planned.window.symbol, Counter())[reason] += 1
        else:
            trained.add(planned.window.symbol)
    return {symbol: count for symbol, count in reasons.items() if symbol not in trained}


def _row(run_id: str, window: Window, record: WorkRecord | None, role: Role) -> RunRow:
    if record is None or record.status is None:
        raise PhaseError(f"the ledger has no outcome of {role} {window.label}; resume the run")
    success = record.status is Status.SUCCESS
    return RunRow(
        run_id=run_id,
        role=role,
        window_label=window.label,
        symbol=window.symbol,
        start=window.start,
        end=window.end,
        status=record.status,
        reason=record.reason,
        failure=record.failure,
        message=record.message,
        artifacts=f"windows/{window.label}/{role}" if success else None,
        metadata_sha256=record.digests.get(METADATA) if success else None,
        key=record.key if success else None,
        reused_from=record.reused_from if success else None,
        metrics=record.metrics,
        device=record.device,
        attempts=record.attempt,
        duration_seconds=record.duration_seconds,
        finished=datetime.fromtimestamp(record.finished, UTC) if record.finished else None,
    )
