"""The folders that a worker may use: it reads and writes nothing else, whatever a message names."""

import os
from collections.abc import Iterable
from pathlib import PurePath
from typing import Self

from schemas.config.bars import BarsSettings
from schemas.config.sources import split_source
from schemas.contract.base import Frozen

# The folders that a worker process was started for, as JSON.
FOLDERS_ENV = "GURUKUL_FOLDERS"


class Folders(Frozen):
    """A worker's data folder, and the folders or files that it may read bars from; as given, or without links.

    `store`: URL of the store that its data folder holds copies of; None: the data folder is all that there is.
    `cache_gib`: GiB that copies of runs may take there, None: any number. `folder_id`: identity of the data folder in a
    heartbeat, see `schemas.files.folder_id`.
    """

    data_dir: str
    sources: tuple[str, ...] = ()
    store: str | None = None
    cache_gib: float | None = None
    folder_id: str = ""

    def resolved(self) -> Self:
        """The folders behind these paths now; relative ones start at the working folder."""
        sources = sorted({os.path.realpath(path) for path in self.sources})
        return self.model_copy(update={"data_dir": os.path.realpath(self.data_dir), "sources": tuple(sources)})

    def refused(self, paths: Iterable[str]) -> str:
        """The first of these paths that lies outside all folders, all without links; empty if there is none."""
        allowed = (self.data_dir, *self.sources)
        return next((each for each in paths if not any(PurePath(each).is_relative_to(one) for one in allowed)), "")


def paths_read(settings: BarsSettings) -> tuple[str, ...]:
    """The folders and files, without links, from which a worker reads bars with these settings."""
    sources = [split_source(each) for each in (settings.source, settings.second_source) if each]
    named = [folder for kind, folder in sources if kind.has_folder]
    named += [each for each in (settings.corporate_actions, settings.secrets_file) if each]
    return tuple(os.path.realpath(path) for path in named if path)
