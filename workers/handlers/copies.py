"""Keeps the copies in a worker's data folder below a limit: those of runs that were not used for long go first.

What an ingestion has staged there goes with its end: the first other work of its run, or an hour without use.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from schemas.contract.folders import Folders
from schemas.files.atomic import remove_artifact
from schemas.files.free_space import GIB
from schemas.files.layout import COPIES, METADATA, STAGED_PREFIX, RunLayout
from schemas.files.locks import lock
from schemas.redis.attempt_id import AttemptId

logger = logging.getLogger(__name__)

# A run whose copies were used since is left alone: another process of this host may be reading them.
IN_USE_S = 3600.0
# Newer ingestions bring others of each symbol every day.
KEPT_S = 86400.0
# Whether an ingestion has left something is looked up at most so often.
LOOK_S = 60.0


def note_use(run_id: str, folders: Folders) -> None:
    """Record that a run's copies are used now; for a run that is new to this process, make room first."""
    _remove_once(folders.data_dir, int(time.monotonic() / LOOK_S))
    if folders.cache_gib is not None:
        _make_room(folders.data_dir, folders.cache_gib, run_id)
    folder = RunLayout.under(folders.data_dir, run_id).folder
    with suppress(FileNotFoundError):
        os.utime(folder)


def keep_copies(attempts: Iterable[str], folders: Folders) -> None:
    """Record, once per `LOOK_S`, that the copies of these attempts' runs are used: they are running, or will begin.

    A window of hours, and one whose inputs were fetched long before it begins, would else lose them.
    """
    if folders.store is not None:
        parsed = (AttemptId.parse(each) for each in attempts)
        runs = frozenset(each.run_id for each in parsed if each is not None)
        _touch_once(folders.data_dir, runs, int(time.monotonic() / LOOK_S))


@lru_cache(maxsize=1)
def _touch_once(data_dir: str, runs: frozenset[str], period: int) -> None:
    for run_id in runs:
        with suppress(OSError):  # a heartbeat must not fail for a folder that is gone or cannot be written
            os.utime(RunLayout.under(data_dir, run_id).folder)


@lru_cache(maxsize=64)
def _make_room(data_dir: str, limit_gib: float, run_id: str) -> None:
    """Remove copies of other runs, the longest unused first, until the rest takes at most `limit_gib`.

    A run with a ledger is the orchestrator's own, and stays. Other processes of this host may do the same at once.
    """
    runs = [RunLayout(folder) for folder in (Path(data_dir) / "models").glob("*") if folder.name != run_id]
    copies = [each.folder for each in runs if not each.ledger.exists()]
    sizes = {folder: _bytes_below(folder) for folder in copies}
    left = sum(sizes.values())
    for folder in sorted(copies, key=_used_s):
        if left <= limit_gib * GIB or time.time() - _used_s(folder) < IN_USE_S:
            break
        logger.info("%s was not used for long and is removed: copies take %.1f GiB", folder, left / GIB)
        for metadata in folder.glob(f"windows/*/*/{METADATA}"):
            remove_artifact(metadata.parent)
        shutil.rmtree(folder, ignore_errors=True)
        left -= sizes[folder]


def _bytes_below(folder: Path) -> int:
    """The size of the files below a folder, without those that disappear meanwhile."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(place, name).stat().st_size
    return size


def _used_s(folder: Path) -> float:
    """When the copies in a folder were last used (Unix time); 0 if they are gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@lru_cache(maxsize=64)
def end_ingestion(data_dir: str, run_id: str) -> None:
    """Remove what an ingestion has staged here and published: it has ended, since its run has other work."""
    for folder in _staged(data_dir, run_id):
        shutil.rmtree(folder, ignore_errors=True)


def remove_staged(data_dir: str) -> None:
    """Remove what ingestions have staged here that were not used for an hour, unless a process of theirs still runs."""
    for folder in _staged(data_dir, "*"):
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > IN_USE_S and not _is_locked(folder):
                shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=1)
def _remove_once(data_dir: str, period: int) -> None:
    """Remove what ingestions have staged, and old copies of bars, once per period of `LOOK_S`."""
    remove_staged(data_dir)
    remove_old_bars(data_dir)


def remove_old_bars(data_dir: str) -> None:
    """Remove copies of bars that were fetched a day ago; an attempt that still reads them fetches them again."""
    for copy in (Path(data_dir) / "bars").glob(f"*/{COPIES}/*.parquet"):
        with suppress(FileNotFoundError):
            if time.time() - copy.stat().st_mtime > KEPT_S:
                copy.unlink()


def _staged(data_dir: str, run_id: str) -> list[Path]:
    return list((Path(data_dir) / "bars").glob(f"*/{STAGED_PREFIX}{run_id}"))


def _is_locked(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock(handle, wait=False)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
