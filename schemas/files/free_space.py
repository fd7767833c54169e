"""Free disk below a folder, and whether a worker can do with it."""

import shutil
from pathlib import Path

from schemas.contract.check import Check, CheckState

GIB = 1 << 30
# Below this a window's artifacts and temporary files may find no room.
LEAST_FREE_GIB = 1.0


def free_gib(folder: str | Path) -> float:
    """GiB that are free where a folder is, or would be made."""
    path = Path(folder).absolute()
    return shutil.disk_usage(next(each for each in (path, *path.parents) if each.exists())).free / GIB


def free_space_check(folder: str, free: float) -> Check:
    """Whether so many free GiB are enough for work below a data folder."""
    if free >= LEAST_FREE_GIB:
        return Check(name="disk", state=CheckState.OK, text=f"{folder} has {free:.0f} GiB free")
    text = (
        f"{folder} has {free:.2f} GiB free, and workers need {LEAST_FREE_GIB:g}; free some, or choose another"
        " --data-dir"
    )
    return Check(name="disk", state=CheckState.FAULT, text=text)
