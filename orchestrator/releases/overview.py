"""Data that `releases` shows: the log, the live releases, and every fault found in either."""

from pathlib import Path
from typing import Any

from orchestrator.audit.signed_manifest import check
from orchestrator.releases import release_stack
from orchestrator.releases.deployment import astray
from orchestrator.releases.history import Line, read
from schemas.contract.errors import GurukulError
from schemas.contract.release import ENVIRONMENTS, OTHER_RELEASE, Action, Release
from schemas.files.layout import RELEASE, ReleaseLayout
from schemas.files.run_files import read_model


def overview(release_dir: str, public_key: str | None) -> dict[str, Any]:
    """Return `entries`, `live` (by environment), `faults`, `notes` and `head`, the digest of the last line."""
    releases = ReleaseLayout(Path(release_dir))
    lines, fault = read(releases.history)
    faults = [f"{releases.history} {fault}"] if fault else []
    notes = []
    if not fault and (stray := astray(releases, lines)):
        faults.append(stray)
    if (pending := release_stack.unfinished(lines)) is not None:
        notes.append(
            f"line {pending.seq}: {pending.action} {pending.release_id} in {pending.environment} was not finished;"
            " the next deploy or rollback settles it"
        )
    known = {line.sha256 for line in lines}
    signatures = {}
    for folder in sorted(releases.releases.glob("[!.]*")):
        found = check(folder, {"release_id": folder.name}, public_key)
        faults += found.faults
        signatures[folder.name] = found.signature
        try:
            approval = read_model(folder / RELEASE, Release, remedy=OTHER_RELEASE).approval_sha256
        except GurukulError as error:
            faults.append(str(error))
            continue
        if not fault and approval not in known:
            faults.append(f"{folder.name}: its approval is not in the log; lines were removed from its end")
    live = {}
    for environment in ENVIRONMENTS:
        release_id = release_stack.live(lines, environment)
        if release_id is None:
            continue
        stay = release_stack.stays(lines, environment)[-1]
        live[environment] = {
            "release_id": release_id,
            "since": stay.since.isoformat(),
            "signature": signatures.get(release_id, "missing"),
        }
        notes += _rejected_since(lines, environment, release_id)
    return {
        "entries": [line.entry.model_dump(mode="json") | {"sha256": line.sha256} for line in lines],
        "live": live,
        "faults": faults,
        "notes": notes,
        "head": lines[-1].sha256 if lines else None,
    }


def _rejected_since(lines: list[Line], environment: str, release_id: str) -> list[str]:
    run_id = next(line.entry.run_id for line in lines if line.entry.release_id == release_id)
    decided = release_stack.decision(lines, run_id)
    if decided is None or decided.entry.action is not Action.REJECTED:
        return []
    return [f"{release_id} is live in {environment}, but {decided.entry.who} rejected {run_id} since"]
