"""Keeps the copies of runs in a worker's data folder below a limit: those that were not used for long go first."""

import logging
import os
import shutil
import time
from functools import lru_cache
from pathlib import Path

from schemas.contract.folders import Folders
from schemas.files.layout import RunLayout

logger = logging.getLogger(__name__)

GIB = 1 << 30
# A run whose copies were used since is left alone: another process of this host may be reading them.
IN_USE_S = 3600.0


def note_use(run_id: str, folders: Folders) -> None:
    """Record that a run's copies are used now; for a run that is new to this process, make room first."""
    if folders.cache_gib is not None:
        _make_room(folders.data_dir, folders.cache_gib, run_id)
    folder = RunLayout.under(folders.data_dir, run_id).folder
    if folder.is_dir():
        os.utime(folder)


@lru_cache(maxsize=64)
def _make_room(data_dir: str, limit_gib: float, run_id: str) -> None:
    """Remove copies of other runs, the longest unused first, until the rest takes at most `limit_gib`.

    A run with a ledger is the orchestrator's own, and stays.
    """
    runs = [RunLayout(folder) for folder in (Path(data_dir) / "models").glob("*") if folder.name != run_id]
    copies = [each.folder for each in runs if not each.ledger.exists()]
    sizes = {folder: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) for folder in copies}
    left = sum(sizes.values())
    for folder in sorted(copies, key=lambda each: each.stat().st_mtime):
        if left <= limit_gib * GIB or time.time() - folder.stat().st_mtime < IN_USE_S:
            break
        logger.info("%s was not used for long and is removed: copies take %.1f GiB", folder, left / GIB)
        shutil.rmtree(folder, ignore_errors=True)
        left -= sizes[folder]
