"""Default folders: beside the data folder, so that `--data-dir` alone leads to them, and one per user."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def beside_data(name: str) -> Callable[[dict[str, Any]], str]:
    """A default of a field: the folder `name` beside the model's `data_dir`, which must be an earlier field."""

    def default(values: dict[str, Any]) -> str:
        data_dir = Path(os.path.normpath(values.get("data_dir", "data")))
        # `.` and `..` have a parent only as absolute paths.
        known = data_dir if data_dir.name not in ("", "..") else data_dir.resolve()
        return str(known.parent / name)

    return default


def user_state_folder() -> Path:
    """The project's folder for what lasts between runs of a user, by the XDG base directory specification."""
    return _user_folder("XDG_STATE_HOME", ".local/state")


def user_cache_folder() -> Path:
    """The project's folder for what can be made again, by the XDG base directory specification."""
    return _user_folder("XDG_CACHE_HOME", ".cache")


def _user_folder(variable: str, below_home: str) -> Path:
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / below_home) / "gurukul"
