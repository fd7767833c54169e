"""Verifies a run: its own files, which a worker hashes, its audit bundle, and the releases that were built from it."""

from contextlib import closing
from pathlib import Path

from orchestrator.audit.agreement import contradictions
from orchestrator.audit.recommendation import recommend
from orchestrator.audit.signed_manifest import check
from orchestrator.ledger.ledger import Ledger
from orchestrator.runs.worker_process import ask
from schemas.contract.judgement import Statistics
from schemas.contract.requests import RunQuestion, Verification
from schemas.contract.task import Role
from schemas.files.atomic import sha256_of
from schemas.files.layout import MANIFEST, ReleaseLayout, RunLayout, audit_folder
from schemas.files.run_files import open_run, read_model


def verified(data_dir: str, release_dir: str | None, run_id: str, public_key: str | None = None) -> Verification:
    """Check a run, its bundle and its releases; without `release_dir` where its config put them.

    RequestError if there is no such run, or its id is malformed. A run that has not been briefed has no bundle, which
    is a note. A briefed run without a bundle is broken.
    """
    manifest, layout = open_run(data_dir, run_id)
    found = ask("verify", RunQuestion(data_dir=str(Path(data_dir).absolute()), run_id=run_id), Verification)
    release_dir = release_dir or manifest.config.release_dir
    folder = audit_folder(release_dir, run_id)
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        recorded = ledger.get("recommendation")
    if recorded is None and not (folder / MANIFEST).is_file():
        note = f"{folder} does not exist: the run has not been briefed"
        return found.model_copy(update={"notes": (*found.notes, note), "bundle": "none yet"})
    bundle = check(folder, {"run_id": run_id}, public_key)
    stated = contradictions(folder) if (folder / MANIFEST).is_file() else ()
    releases = ReleaseLayout(Path(release_dir)).releases.glob(f"{run_id}.*")
    of_releases = [fault for each in sorted(releases) for fault in check(each, {"release_id": each.name}).faults]
    return found.model_copy(
        update={
            "broken": (
                *found.broken,
                *unlike_ledger(layout, recorded),
                *dict.fromkeys((*bundle.faults, *stated)),
                *unlike_audit(layout, folder),
                *of_releases,
            ),
            "bundle": f"{bundle.files} files, {bundle.signature}",
        }
    )


def unlike_ledger(layout: RunLayout, recorded: str | None) -> list[str]:
    """A sentence if the ledger has another recommendation than the tests give."""
    if recorded is None or not layout.statistics.is_file():
        return []
    found = recommend(read_model(layout.statistics, Statistics))
    return (
        [] if found == recorded else [f"{layout.ledger} has the verdict {recorded}; {layout.statistics} gives {found}"]
    )


def unlike_audit(layout: RunLayout, audit: Path) -> list[str]:
    """A sentence for each of the run's own files that differs from its copy in the audit bundle."""
    results, configs = audit / "validation_results", audit / "configs"
    rows = (layout.rows(role) for role in (Role.TEACHER, Role.STUDENT))
    verdicts = (layout.validation, layout.statistics, layout.trials, *rows)
    copies = {path: results / path.name for path in verdicts} | {layout.manifest: configs / layout.manifest.name}
    return [
        f"{path} differs from its copy {copy}"
        for path, copy in copies.items()
        if not path.is_file() or (copy.is_file() and sha256_of(path) != sha256_of(copy))
    ]
