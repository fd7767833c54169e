"""Reads which release an environment serves."""

from pathlib import Path

from pydantic import ConfigDict

from schemas.contract.base import Frozen
from schemas.contract.release import Environment
from schemas.files.layout import RELEASE, ReleaseLayout
from schemas.files.run_files import read_model


class LiveRelease(Frozen):
    """The part of a release that names it and its run."""

    model_config = ConfigDict(extra="ignore")

    release_id: str
    run_id: str


def live_release(release_dir: Path, environment: Environment) -> LiveRelease | None:
    """The release that `environment` serves; None if nothing was ever deployed there."""
    path = ReleaseLayout(release_dir).current(environment) / RELEASE
    return read_model(path, LiveRelease) if path.is_file() else None
