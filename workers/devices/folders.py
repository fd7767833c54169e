"""The folders that this worker process was started for, and the refusal of all others."""

import os

from schemas.config.bars import BarsSettings
from schemas.contract.errors import DataError, RequestError
from schemas.contract.folders import FOLDERS_ENV, Folders, paths_read


def own_folders() -> Folders:
    """The folders of this process, without links as they lead now. RequestError outside a worker."""
    value = os.environ.get(FOLDERS_ENV)
    if not value:
        raise RequestError(f"{FOLDERS_ENV} is not set: start workers with `workers start`, which gives them folders")
    return Folders.model_validate_json(value).resolved()


def refuse_outside(settings: BarsSettings, folders: Folders, device: str) -> None:
    """DataError if reading with these settings leaves the folders of this worker, also through `..` or a link."""
    if path := folders.refused(paths_read(settings)):
        allowed = ", ".join((folders.data_dir, *folders.sources))
        raise DataError(
            f"{device} reads files only under {allowed}, and {path} is elsewhere; start its worker with"
            f" `workers start --source-dir {path}`, or move the files there"
        )
