"""What is deployed where."""

from pathlib import Path

from pydantic import ConfigDict

from schemas.base import Frozen
from schemas.rows import read_model


class LiveRelease(Frozen):
    """The part of a release that says whose students it holds."""

    model_config = ConfigDict(extra="ignore")

    release_id: str
    run_id: str


def live_release(release_dir: Path, environment: str) -> LiveRelease | None:
    """What `environment` serves now; None where nothing was ever deployed."""
    path = release_dir / environment / "current" / "release.json"
    return read_model(path, LiveRelease) if path.is_file() else None
