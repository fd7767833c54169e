"""The release folder of a run on a worker's host: judging compares with the release that is live there."""

from pathlib import Path

from schemas.config.run import RunConfig
from schemas.contract.errors import DataError
from schemas.files.layout import RunLayout, audit_folder
from schemas.store.judged_inputs import judging_release_dir


def release_folder(layout: RunLayout, config: RunConfig) -> Path:
    """Where judging finds the live release, and writes the audit bundle's plots.

    DataError if this host does not see it: a gate would then judge as if no release were live.
    """
    folder = judging_release_dir(layout, config)
    if config.store is None and not audit_folder(folder, layout.folder.name).is_dir():
        raise DataError(
            f"{audit_folder(folder, layout.folder.name)} is not on this host, only the data folder is; mount the folder"
            " that holds both, or give the run and its workers one --store"
        )
    return folder
