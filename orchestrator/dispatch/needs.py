"""What a run needs of a device that works for it, compared with the device's heartbeat."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from schemas.config.model_kinds import KINDS
from schemas.contract.folders import Folders
from schemas.contract.plugin_packages import is_package
from schemas.contract.plugin_source import shown
from schemas.contract.presence import Presence
from schemas.contract.versions import artifact_versions
from schemas.files.folder_id import folder_id
from schemas.files.layout import FOLDER_ID
from schemas.redis.signing import KEY_FILE_ENV, FleetKey, fleet_key

# A heartbeat has hundredths. A window's files take less than a megabyte, so a small disk is of use up to here.
FULL_GIB = 0.01


@dataclass(frozen=True)
class Needs:
    """Versions of code and libraries, the run's data folder, and what its work reads besides; paths without links.

    With the URL of a store, any data folder will do: it holds copies of what the store has. `libraries` are packages
    that only some kinds of model need; the orchestrator's host may lack them, so that it knows no version. `plugins`
    has the digest of each plug-in of the run by name, and `key` the name of the key that signs, if one does.
    `folder_id` is the identity of the data folder, empty if it has none.
    """

    versions: Mapping[str, str]
    data_dir: str
    sources: tuple[str, ...] = ()
    store: str | None = None
    libraries: tuple[str, ...] = ()
    plugins: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    folder_id: str = ""

    @classmethod
    def of(
        cls, data_dir: str, store: str | None = None, libraries: tuple[str, ...] = (),
        plugins: Mapping[str, str] | None = None, key: FleetKey | None = None,
    ) -> Self:  # fmt: skip
        """What a run needs that is opened here, with the versions of this host, and by default its key."""
        return cls(
            artifact_versions(*libraries), os.path.realpath(data_dir), store=store, libraries=libraries,
            plugins=plugins or {}, key=next(iter((fleet_key() if key is None else key).names), ""),
            folder_id=folder_id(data_dir),
        )  # fmt: skip

    def unmet(self, presence: Presence) -> str:
        """Why a device gets no work of the run, and the remedy; empty if it may get some."""
        for name, wanted in self.versions.items() if presence.versions != self.versions else ():
            has = presence.versions.get(name, "not")
            if has != wanted:
                return f"it has {name} {has}, this run {wanted}; install the same there"
        for name in self.libraries:
            if name not in presence.versions:
                (extra, *_) = (kind.extra for kind in KINDS.values() if name in kind.libraries)
                return f"it has not {name}, which this run's models need; type there: pip install 'gurukul[{extra}]'"
        if (presence.keys or self.key) and self.key not in presence.keys:
            has, wanted = " and ".join(presence.keys) or "none", self.key or "none"
            return f"the keys that it accepts are {has}, this run signs with {wanted}; give both one {KEY_FILE_ENV}"
        folders = presence.folders
        if folders is None:
            return "it names no data folder, as an earlier version does; install this version there"
        if folders.store != self.store:
            start = (
                f"with `workers start --store {self.store}`" if self.store else "with `workers start` without --store"
            )
            start += f", or give --store {folders.store} here" if folders.store else ""
            has, wanted = folders.store or "none", self.store or "none"
            return f"its store is {has}, this run's {wanted}; start its workers {start}"
        if self.store is None and (why := self._other_folder(folders)):
            return why
        if path := folders.refused(self.sources):
            allowed = ", ".join((folders.data_dir, *folders.sources))
            start = f"start its workers with `workers start --source-dir {path}`"
            start += ", or run `orchestrator ingest` here and then this with --skip-fetch" if self.store else ""
            return f"it reads files only under {allowed}, this run reads {path}; {start}"
        for name, wanted in self.plugins.items():
            if (had := presence.plugins.get(name)) != wanted:
                lack = "it lacks the plug-in" if had is None else "it has another version of the plug-in"
                start = f"start its workers with `workers start --plugins {shown(name)}`"
                return f"{lack} {shown(name)}; {start}, this run's {'package' if is_package(name) else 'file'}"
        return unwell(presence)

    def _other_folder(self, folders: Folders) -> str:
        """Why a worker's data folder is not the run's; a shared one may have another path there."""
        if folders.folder_id and folders.folder_id == self.folder_id:
            return ""
        if folders.data_dir != self.data_dir:
            start = f"start its workers with `workers start --data-dir {self.data_dir}`"
            return f"it works under {folders.data_dir}, this run under {self.data_dir}; {start}"
        # A worker of the folder itself would have the run's identity, or none yet.
        if folders.folder_id:
            return (
                f"{self.data_dir} is another folder on its host ({FOLDER_ID} differs); mount the run's there, or give"
                " the run and its workers one --store"
            )
        return ""


def unwell(presence: Presence) -> str:
    """Why no attempt could end well on a device now, and the remedy; empty if nothing is known that keeps one from it.

    Each would be a strike. The device's heartbeat shows when it gets better.
    """
    folders, use = presence.folders, presence.store
    if folders is not None and presence.free_gib is not None and presence.free_gib < FULL_GIB:
        return f"the disk of {folders.data_dir} on its host is full; free some there"
    if use is not None and use.is_failing:
        return f"its last request to the store failed: {use.last_error}"
    return ""
