"""Whether a run is still what it left: its own files, which a worker hashes, and its audit bundle."""

from contextlib import closing
from pathlib import Path

from orchestrator.ledger import Ledger
from orchestrator.question import ask
from orchestrator.seal import MANIFEST, check
from schemas.artifacts import RunManifest
from schemas.layout import RunLayout, audit_folder
from schemas.question import RunQuestion, Verification
from schemas.rows import read_model


def verified(data_dir: str, release_dir: str | None, run_id: str, public_key: str | None = None) -> Verification:
    """Check a run and its bundle; without `release_dir` where its config put it. RequestError if there is no such run.

    A run that has not been briefed has no bundle, which is a note; one whose ledger says otherwise lacks it.
    """
    found = ask("verify", RunQuestion(data_dir=str(Path(data_dir).absolute()), run_id=run_id), Verification)
    layout = RunLayout.under(data_dir, run_id)
    folder = audit_folder(release_dir or read_model(layout.manifest, RunManifest).config.release_dir, run_id)
    with closing(Ledger(layout.ledger)) as ledger:
        briefed = ledger.get("recommendation") is not None
    if not briefed and not (folder / MANIFEST).is_file():
        note = f"{folder} is not there: the run has not been briefed"
        return found.model_copy(update={"notes": (*found.notes, note), "bundle": "none yet"})
    bundle = check(folder, {"run_id": run_id}, public_key)
    return found.model_copy(
        update={"broken": (*found.broken, *bundle.faults), "bundle": f"{bundle.files} files, {bundle.signature}"}
    )
