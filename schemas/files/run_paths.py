"""Paths in a run's manifest: relative to its data folder where they lie below or beside it, otherwise absolute.

So `--data-dir` alone decides where the files of a run are: from any working folder, and after the folder that holds
data, logs and releases was moved or mounted elsewhere.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TypeVar

from schemas.config.run import RunConfig
from schemas.config.sources import split_source

PATHS = (
    "log_dir", "release_dir", "trials_dir", "telemetry_dir", "signing_key", "corporate_actions", "secrets_file",
    "symbols_file",
)  # fmt: skip
SOURCES = ("source", "second_source")

C = TypeVar("C", bound=RunConfig)


def portable(config: C, data_dir: Path) -> C:
    """The config as a manifest stores it: its `data_dir` is `.`, and all other paths start there or are absolute."""
    data = data_dir.resolve()
    # Beside a folder at the root lies the whole file system.
    around = data if data.parent == data.parent.parent else data.parent

    def stored(path: str) -> str:
        real = Path(path).resolve()
        return os.path.relpath(real, data) if real.is_relative_to(around) else str(Path(path).absolute())

    return config.model_copy(update={"data_dir": "."} | _each_path(config, stored))


def located(config: C, data_dir: Path) -> C:
    """The stored config of a run under `data_dir`, with paths that this process can use.

    Manifests of earlier versions hold paths relative to the folder in which the run was started. That folder is known
    where their `data_dir` leads straight to the data folder; otherwise it is taken to be the working folder.
    OSError for a path that this system cannot have.
    """
    steps = PurePath(config.data_dir)
    if steps.is_absolute() or ".." in steps.parts:
        return config.model_copy(update={"data_dir": str(data_dir)})
    base = data_dir.joinpath(*[os.pardir] * len(steps.parts))

    def usable(path: str) -> str:
        joined = base / path
        with suppress(PermissionError):
            joined.exists()  # OSError for a name that is longer than a file's can be
        short = Path(os.path.normpath(joined))
        # `link/..` is not the folder that holds the link.
        return str(short if short.resolve() == joined.resolve() else joined.resolve())

    return config.model_copy(update={"data_dir": str(data_dir)} | _each_path(config, usable))


def absolute(config: C) -> C:
    """The config with absolute paths, which hold from any working folder."""

    def whole(path: str) -> str:
        return os.path.normpath(Path(path).absolute())

    return config.model_copy(update={"data_dir": whole(config.data_dir)} | _each_path(config, whole))


def _each_path(config: RunConfig, change: Callable[[str], str]) -> dict[str, str]:
    found = {name: change(path) for name in PATHS if (path := getattr(config, name))}
    for name in SOURCES:
        if (source := getattr(config, name)) and split_source(source)[0].has_folder:
            kind, colon, folder = source.partition(":")
            found[name] = f"{kind}{colon}{change(folder)}"
    return found
