"""Writes files and folders completely or not at all, and computes digests."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.files.layout import METADATA

TEMPORARY_PREFIX = ".tmp-"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """JSON as stored: indented, key order kept, no NaN, final newline."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file under a temporary name, flush it to disk, rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_temporary(folder: Path) -> None:
    """Remove the half-written files of killed processes under `folder`; a live process that loses one tries again."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def artifact_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success it is renamed to `target`, else it is removed.

    Training is deterministic, so a `target` that another attempt has written already is kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        _flush(temporary)
        try:
            temporary.rename(target)
        except OSError:
            if not (target / METADATA).is_file():
                raise
            shutil.rmtree(temporary)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
