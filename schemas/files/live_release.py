"""Reads which release an environment serves."""

from datetime import date
from pathlib import Path

from pydantic import ConfigDict

from schemas.contract.base import Frozen
from schemas.contract.release import OTHER_RELEASE, Environment
from schemas.files.layout import RELEASE, ReleaseLayout
from schemas.files.run_files import read_model


class LiveStudent(Frozen):
    """The student that serves a symbol: its folder, the end of its window, and the digests of its files."""

    model_config = ConfigDict(extra="ignore")

    folder: str
    end: date
    sha256: dict[str, str]


class LiveRelease(Frozen):
    """The part of a release that names it, its run, its students and their features."""

    model_config = ConfigDict(extra="ignore")

    release_id: str
    run_id: str
    students: dict[str, LiveStudent]
    features: tuple[str, ...]


def live_release(release_dir: Path, environment: Environment) -> LiveRelease | None:
    """The release that `environment` serves; None if nothing was ever deployed there."""
    path = ReleaseLayout(release_dir).current(environment) / RELEASE
    return read_model(path, LiveRelease, remedy=OTHER_RELEASE) if path.is_file() else None
