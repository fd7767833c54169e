"""Writes files and folders completely or not at all, and computes digests."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from schemas.files.layout import METADATA
from schemas.files.modes import FILE_MODE, FOLDER_MODE

TEMPORARY_PREFIX = ".tmp-"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """JSON as stored: indented, key order kept, no NaN, final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_atomic(path: Path, content: bytes | str | Iterable[bytes | str]) -> None:
    """Write a file, whole or in parts, under a temporary name, flush it to disk, rename it into place.

    OSError names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: Iterable[bytes | str] = (content,) if isinstance(content, bytes | str) else content
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    # Not tempfile: its mode is fixed, while the kernel takes the umask off this one.
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part.encode() if isinstance(part, str) else part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # of a write that found the disk full, which names no file
        raise


def remove_temporary(folder: Path) -> None:
    """Remove the half-written files of killed processes under `folder`; a live process that loses one tries again."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_artifact(folder: Path) -> None:
    """Remove an artifact, its metadata first: what a process that is killed meanwhile leaves is no artifact."""
    with suppress(OSError):
        (folder / METADATA).unlink()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def artifact_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success it is renamed to `target`, else it is removed.

    Training is deterministic, so a `target` that another attempt has written already is kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    temporary.mkdir(FOLDER_MODE)
    try:
        yield temporary
        _flush(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if (target / METADATA).is_file():
                shutil.rmtree(temporary)
            else:  # what is left of an artifact whose removal was cut short
                shutil.rmtree(target, ignore_errors=True)
                temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
