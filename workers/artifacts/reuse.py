"""Copy an artifact from another run instead of training it: equal inputs give equal bytes."""

import logging
import shutil
from pathlib import Path

from schemas.contract.artifact import METADATA_KINDS, StudentInputs, TeacherInputs, key_of
from schemas.contract.errors import DataError
from schemas.contract.task import WindowTask
from schemas.files.atomic import artifact_folder, to_json
from schemas.files.belonging import foreign_inputs
from schemas.files.bounded import LARGEST_FILE_BYTES, largest_labels_bytes, read_bounded, read_recorded
from schemas.files.layout import LABELS, METADATA, RunLayout
from schemas.files.run_files import read_manifest
from schemas.store.mirror import Mirror

logger = logging.getLogger(__name__)


def take_equal(task: WindowTask, data_dir: Path, inputs: TeacherInputs | StudentInputs) -> str | None:
    """Copy the artifact of `inputs` from the newest run under `data_dir` that has it; returns that run's id, or None.

    A damaged artifact is skipped with a warning. If no run here has it, the run's store is asked.
    """
    own = RunLayout.under(data_dir, task.run_id)
    for run in newest_first(own.folder.parent):
        source = RunLayout(run).artifact(task.window.label, task.role)
        if run != own.folder and _copy_equal(source, own, task, inputs):
            return run.name
    store = read_manifest(own).config.store if own.manifest.is_file() else None
    mirror = Mirror.of(data_dir, store)
    fetched = mirror.pull_equal(key_of(inputs)) if mirror is not None else None
    if fetched is None or (donor := fetched.parents[2].name) == task.run_id:
        return None
    return donor if _copy_equal(fetched, own, task, inputs) else None


def _copy_equal(source: Path, own: RunLayout, task: WindowTask, inputs: TeacherInputs | StudentInputs) -> bool:
    """Copy an artifact into its place in the run; False if it is not the one of `inputs`, or is damaged."""
    try:
        files = read_equal(source, inputs)
    except (DataError, OSError, ValueError) as error:
        logger.warning("%s is damaged and not reused: %s", source, " ".join(str(error).split()))
        return False
    if files:
        with artifact_folder(own.artifact(task.window.label, task.role)) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
    return bool(files)


def remove_foreign(folder: Path, inputs: TeacherInputs | StudentInputs) -> None:
    """Remove an artifact that was stored under this name and was not made from `inputs`, or was changed since."""
    if not folder.exists():
        return
    try:
        if read_equal(folder, inputs):
            return
        metadata = METADATA_KINDS[inputs.role].model_validate_json((folder / METADATA).read_bytes())
        why = foreign_inputs(metadata, inputs)
    except (DataError, OSError, ValueError) as error:
        why = " ".join(str(error).split())
    logger.warning("%s is replaced, because no task of this run made it: %s", folder, why)
    shutil.rmtree(folder)


def newest_first(models: Path) -> list[Path]:
    """Folders of runs, the last changed first."""
    return sorted(models.glob("*"), key=lambda run: run.stat().st_mtime_ns, reverse=True)


def read_equal(source: Path, inputs: TeacherInputs | StudentInputs) -> dict[str, bytes]:
    """Map each file name of an artifact to its content; empty if the artifact is not the one of `inputs`.

    DataError, OSError or ValueError if it is, but a file was changed.
    """
    path = source / METADATA
    if not path.is_file() or key_of(inputs).encode() not in (content := read_bounded(path, LARGEST_FILE_BYTES)):
        return {}
    metadata = METADATA_KINDS[inputs.role].model_validate_json(content)
    same = metadata.model_dump(include=set(type(inputs).model_fields)) == inputs.model_dump()
    if not same or to_json(metadata.model_dump(mode="json")).encode() != content:
        raise DataError(f"{METADATA} was changed after training")
    labels = largest_labels_bytes(metadata.rows.get("total", 0))
    files = {
        name: read_recorded(
            source / name, metadata.sha256, labels if name == LABELS else LARGEST_FILE_BYTES, "it is trained again"
        )
        for name in metadata.sha256
    }
    return files | {METADATA: content}
