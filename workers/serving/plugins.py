"""The plug-ins of a release: those of its run, where this host has its record."""

from contextlib import suppress

from schemas.contract.errors import FileError
from schemas.contract.release import Release
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from workers.plugins.loading import use_plugins


def use_plugins_of(release: Release, data_dir: str) -> None:
    """Let this process load the plug-ins that the release's run recorded, unless it was given some.

    A release names no path of code: it may come from another host. Without the run's record nothing is loaded, and the
    features are refused with a remedy.
    """
    if release.feature_set.plugged is not None:
        with suppress(FileError):
            use_plugins(read_manifest(RunLayout.under(data_dir, release.run_id)).config.plugins)
