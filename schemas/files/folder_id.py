"""Identity of a data folder: two hosts may have one path for different folders, or two paths for a shared one."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from schemas.files.atomic import TEMPORARY_PREFIX
from schemas.files.layout import FOLDER_ID
from schemas.files.modes import FILE_MODE

_ID = re.compile(r"[0-9a-f]{16}")


def folder_id(data_dir: str | Path) -> str:
    """The identity of a data folder; empty if it has none yet, or it cannot be read."""
    try:
        text = (Path(data_dir) / FOLDER_ID).read_bytes()[:64].decode("ascii", "replace").strip()
    except OSError:
        return ""
    return text if _ID.fullmatch(text) else ""


def give_folder_id(data_dir: str | Path) -> str:
    """Make the folder and its identity, unless they are there; returns it, empty if the folder cannot be written.

    Of two hosts that give one at once, both get the same.
    """
    if found := folder_id(data_dir):
        return found
    folder = Path(data_dir)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w") as file:
                file.write(f"{secrets.token_hex(8)}\n")
            os.link(temporary, folder / FOLDER_ID)  # the first stays
        finally:
            temporary.unlink(missing_ok=True)
    return folder_id(folder)
