"""A task of a run with a store: fetch what it reads, do it, publish what it wrote.

Without a store the data folder is shared, and nothing is fetched or published. The artifact of a window is published by
the worker, beside the next window (`workers/celery/transfers.py`).
"""

import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import DataError, FileError
from schemas.contract.folders import Folders
from schemas.contract.task import IngestTask, Role, RunTask, Status, WindowTask
from schemas.files.atomic import remove_artifact
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.locks import lock
from schemas.files.run_files import model_of, read_manifest, read_rows
from schemas.store.judged_inputs import artifacts_read, audit_key, list_key
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror
from schemas.store.together import together
from workers.handlers.copies import end_ingestion, note_use
from workers.handlers.task_result import Result
from workers.handlers.window_files import fetch_bars, fetch_beside, fetch_copies, fetch_teacher, teacher_label
from workers.side.store import use_side_of

logger = logging.getLogger(__name__)

Task = IngestTask | WindowTask | RunTask


def fetch_manifest(run_id: str, folders: Folders) -> bool:
    """Bring a run's newest `run.json` here; False without a store, or if that has none."""
    mirror = Mirror.of(folders.data_dir, folders.store)
    if mirror is None:
        return False
    try:
        mirror.pull(RunLayout.under(folders.data_dir, run_id).manifest)
    except FileError:
        return False
    return True


def carry_out(task: Task, folders: Folders, handle: Callable[[Any, Path], Result]) -> Result:
    """Do a task with its handler, through the store if there is one; a window's artifact is left to be published.

    If copies of its inputs were damaged, or left by another run of that name, they are fetched anew, once.
    """
    data_dir = Path(folders.data_dir)
    use_side_of(data_dir)
    mirror = Mirror.of(data_dir, folders.store)
    if mirror is None:
        return handle(task, data_dir)
    layout = RunLayout.under(data_dir, task.run_id)
    note_use(task.run_id, folders)
    if not isinstance(task, IngestTask):
        end_ingestion(folders.data_dir, task.run_id)
    _fetch(task, mirror, layout)
    try:
        result = handle(task, data_dir)
    except DataError as error:
        if not isinstance(task, WindowTask):
            raise
        logger.warning("the inputs of %s are fetched anew: %s", task.window.label, error)
        remove_artifact(layout.artifact(teacher_label(task), Role.TEACHER))
        _fetch(task, mirror, layout)
        result = handle(task, data_dir)
    _publish(task, mirror, layout, result)
    return result


def _fetch(task: Task, mirror: Mirror, layout: RunLayout) -> None:
    if isinstance(task, WindowTask):
        fetch_bars(task, mirror)
        fetch_teacher(task, mirror)
    elif isinstance(task, IngestTask):
        if task.settings.incremental:
            _fetch_stored_bars(task, mirror)
    else:
        _fetch_judged(task, mirror, layout)


def _fetch_stored_bars(task: IngestTask, mirror: Mirror) -> None:
    """Bring the bars here that a symbol's new ones are added to."""
    bars = BarsLayout.under(mirror.data_dir, task.settings.interval)
    content = mirror.store.get(mirror.key(bars.coverage))
    known = CoverageTable()
    if content is not None:
        source = f"{mirror.store.url}/{mirror.key(bars.coverage)}"
        known = model_of(content, CoverageTable, source, remedy="remove it, then ingest its symbols again")
    if (row := known.symbols.get(task.symbol)) is not None:
        mirror.pull_bars(bars, bars.bars(task.symbol), row.sha256)


def _fetch_judged(task: RunTask, mirror: Mirror, layout: RunLayout) -> None:
    """Bring the files of the run that a judging task reads, with `run.json`: those that its message vouches for."""
    content = mirror.store.get(list_key(layout))
    if content is None:
        raise FileError(f"{mirror.store.url} has no {list_key(layout)}; resume the run")
    if sha256(content).hexdigest() != task.inputs:
        raise FileError(f"{mirror.store.url}/{list_key(layout)} is not what the run has listed; resume the run")
    files = model_of(content, ListedFiles, f"{mirror.store.url}/{list_key(layout)}").files
    layout.folder.mkdir(parents=True, exist_ok=True)
    # One process of a host fetches, the others wait and find what it has brought.
    with (layout.folder / ".fetching").open("w") as file:
        lock(file)
        together(lambda key: mirror.pull(mirror.data_dir / key, files[key], key), files)
        role = artifacts_read(task.role, task.gate)
        rows = [row for row in read_rows(layout, role) if row.status is Status.SUCCESS] if role is not None else []
        wanted = [(layout.artifact(row.window_label, row.role), row.metadata_sha256) for row in rows]
        together(lambda each: mirror.pull_artifact(*each), wanted)
        _fetch_bars_of_run(mirror, layout)


def _fetch_bars_of_run(mirror: Mirror, layout: RunLayout) -> None:
    """Bring a run's bars here: a gate reads them, and this host may have trained no window of a symbol."""
    manifest = read_manifest(layout)
    if manifest.bars is not None:
        bars, rows = BarsLayout.under(mirror.data_dir, manifest.config.interval), manifest.bars.symbols
        fetch_copies(bars, {symbol: row.sha256 for symbol, row in rows.items()}, mirror)
    fetch_beside(manifest.config, mirror)


def _publish(task: Task, mirror: Mirror, layout: RunLayout, result: Result) -> None:
    match task:
        case RunTask():
            for path in _written(task, layout):
                mirror.push(path)
        case IngestTask():
            _publish_bars(task, mirror, result)


def _publish_bars(task: IngestTask, mirror: Mirror, result: Result) -> None:
    """Publish a symbol's bars under their digest, and leave none behind: the orchestrator takes them from the store."""
    if result.ingested is None or result.ingested.stored is None:
        return
    bars = BarsLayout.under(mirror.data_dir, task.settings.interval)
    path = bars.staged(task.run_id) / f"{task.symbol}.parquet"
    mirror.push_bars(bars, path, result.ingested.stored.sha256)
    path.unlink()


def _written(task: RunTask, layout: RunLayout) -> list[Path]:
    """The files that a judging task has written."""
    match task.role:
        case Role.VALIDATION:
            return [layout.validation, layout.scored_rows, layout.daily_returns]
        case Role.STATISTICS:
            assert task.gate is not None
            return [layout.gate(task.gate)]
    plots = layout.data_dir / audit_key(task.run_id, "plots")
    return sorted(path for path in plots.iterdir() if path.is_file())
