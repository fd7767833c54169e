"""Where the store has what the judging of a run reads and writes, and which artifacts its tasks read."""

from pathlib import Path
from typing import Literal

from schemas.config.run import RunConfig
from schemas.contract.task import Role
from schemas.files.layout import RunLayout

# The artifacts that a role reads besides: of students, or of teachers.
ARTIFACTS: dict[Role, Role] = {Role.VALIDATION: Role.STUDENT, Role.AUDIT: Role.TEACHER}
LEAK_GATE: Literal["leak"] = "leak"


def list_key(layout: RunLayout) -> str:
    """Key of the list of the files that the judging of a run reads, by which a worker fetches them."""
    return f"models/{layout.folder.name}/judged_inputs.json"


def judging_release_dir(layout: RunLayout, config: RunConfig) -> Path:
    """Where a judging task finds the live release and writes the audit bundle's plots.

    With a store that is a folder of the run, whose files are offered and taken by key: no path of another host counts.
    """
    return layout.folder / "judging" if config.store else Path(config.release_dir)


def judging_key(run_id: str, name: str) -> str:
    """Key of a file below that folder."""
    return f"models/{run_id}/judging/{name}"


def audit_key(run_id: str, name: str) -> str:
    """Key of a file of the audit bundle."""
    return judging_key(run_id, f"audit_{run_id}/{name}")


def artifacts_read(role: Role, gate: str | None) -> Role | None:
    """The role whose artifacts a judging task reads; None if it reads none."""
    return Role.TEACHER if gate == LEAK_GATE else ARTIFACTS.get(role)
