"""Approves or rejects a run: the decision is logged with the recommendation, or refused where the rules forbid it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.audit.recommendation import recommend
from orchestrator.audit.signed_manifest import check
from orchestrator.ledger.ledger import Ledger
from orchestrator.releases.history import Line, locked
from orchestrator.runs.verify import unlike_audit
from schemas.config.release import ReleaseConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.command_line import command_line
from schemas.contract.errors import RequestError
from schemas.contract.judgement import Recommendation, Statistics
from schemas.contract.release import Action
from schemas.contract.run import RunStatus
from schemas.files.atomic import sha256_of
from schemas.files.layout import MANIFEST, ReleaseLayout, RunLayout, audit_folder
from schemas.files.run_files import open_run, read_model


@dataclass(frozen=True)
class ApprovableRun:
    """A judged run, and the digest of its audit's manifest, which covers every file of the run."""

    manifest: RunManifest
    layout: RunLayout
    statistics: Statistics
    recommendation: Recommendation
    audit_sha256: str


def approve(
    config: ReleaseConfig, run_id: str, by: str, *, note: str, override: str | None, symbols: Sequence[str]
) -> Line:
    """Record an approval; RequestError if the run is not whole, or the override or another approver is needed."""
    judged = judged_run(config, run_id)
    trained_by = judged.manifest.trained_by
    refuse_own(config, run_id, by, trained_by)
    if judged.recommendation is not Recommendation.PROMOTE and override is None:
        raise RequestError(
            f"the recommendation for {run_id} is {judged.recommendation}, not promote; to approve it all the same,"
            ' give a reason: --override "..."'
        )
    known = {planned.window.symbol for planned in judged.manifest.plan}
    if foreign := [symbol for symbol in symbols if symbol not in known]:
        raise RequestError(f"{run_id} has no symbol {foreign[0]}; it has {', '.join(sorted(known)[:5])}")
    with locked(ReleaseLayout(Path(config.release_dir)).history) as history:
        return history.append(
            Action.APPROVED, by, run_id=run_id, note=note, override=override, symbols=tuple(symbols),
            recommendation=judged.recommendation, trained_by=trained_by, audit_sha256=judged.audit_sha256,
        )  # fmt: skip


def reject(config: ReleaseConfig, run_id: str, by: str, *, note: str) -> Line:
    """Record a rejection, which takes back an approval. A run whose files are incomplete can be rejected, too."""
    manifest, layout = open_run(config.data_dir, run_id)
    recommendation = None
    if layout.ledger.is_file():
        with closing(Ledger(layout.ledger, read_only=True)) as ledger:
            recorded = ledger.get("recommendation")
            recommendation = Recommendation(recorded) if recorded else None
    with locked(ReleaseLayout(Path(config.release_dir)).history) as history:
        return history.append(
            Action.REJECTED, by, run_id=run_id, note=note, recommendation=recommendation,
            trained_by=manifest.trained_by,
        )  # fmt: skip


def refuse_own(config: ReleaseConfig, run_id: str, by: str, trained_by: str) -> None:
    """Raise RequestError if approver and trainer must differ but are the same, or if the trainer is not recorded."""
    if not config.require_other_approver:
        return
    if not trained_by:
        raise RequestError(f"{run_id} does not record who trained it, and the approver must be another person")
    if by.casefold() == trained_by.casefold():
        raise RequestError(f"{by} trained {run_id}; another person must approve it")


def judged_run(config: ReleaseConfig, run_id: str) -> ApprovableRun:
    """Read a judged run; RequestError unless its bundle, ledger and statistics give the same recommendation."""
    manifest, layout = open_run(config.data_dir, run_id)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        condition, recorded = ledger.condition(), ledger.get("recommendation")
    if condition.status is not RunStatus.READY or recorded is None:
        step = condition.next_command(run_id, config.data_dir)
        raise RequestError(f"{run_id} is {condition}, not {RunStatus.READY}; `{step}`")
    audit = audit_folder(config.release_dir, run_id)
    verify = command_line("verify", run_id, data_dir=config.data_dir)
    if faults := check(audit, {"run_id": run_id}).faults:
        raise RequestError(f"the audit bundle was changed: {faults[0]}; `{verify}`")
    if unlike := unlike_audit(layout, audit):
        raise RequestError(f"{unlike[0]}; `{verify}`")
    statistics = read_model(layout.statistics, Statistics)
    recommendation = recommend(statistics)
    if recommendation != recorded:
        raise RequestError(f"the ledger has {recorded}, {layout.statistics} gives {recommendation}; one was changed")
    return ApprovableRun(manifest, layout, statistics, recommendation, sha256_of(audit / MANIFEST))
