"""The audit bundle that the pages of a run show."""

from pathlib import Path

from orchestrator.dashboard.runs import Run
from schemas.files.layout import audit_folder
from schemas.files.run_files import read_manifest


def audit_of(run: Run, release_dir: str) -> Path:
    """The run's audit bundle: in `release_dir`, or else in the folder that the run's config names."""
    given = audit_folder(release_dir, run.run_id)
    return given if given.is_dir() else audit_folder(read_manifest(run.layout).config.release_dir, run.run_id)
