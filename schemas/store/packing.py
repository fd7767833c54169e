"""An artifact's folder as one object: an uncompressed tar archive that depends on names and contents only."""

import io
import re
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ValidationError

from schemas.contract.errors import FileError
from schemas.files.layout import METADATA

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
MOST_FILES = 32


class Listing(BaseModel):
    """The part of an artifact's metadata that has the SHA-256 of each other file by its name."""

    sha256: dict[str, str]


def pack(folder: Path) -> bytes:
    """The files of a folder, sorted by name, without times and owners.

    OSError if a file that the metadata lists is missing or was changed: what is stored first stays.
    """
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    if why := _lacks(files):
        raise OSError(f"{folder} {why}: a program outside has removed or changed its files")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack(content: bytes, source: str) -> dict[str, bytes]:
    """Map the name of each file of a packed artifact to its content.

    FileError, naming `source`, for anything that `pack` does not write: a path, a link, a damaged archive, a part of an
    artifact.
    """
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                plain = member.type == tarfile.REGTYPE and FILE_NAME.fullmatch(member.name) is not None
                if not plain or member.name in files or len(files) == MOST_FILES:
                    raise FileError(f"{source} holds {member.name[:60]!r}, which no artifact has; remove it")
                file = archive.extractfile(member)
                files[member.name] = file.read() if file is not None else b""
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise FileError(f"{source} is damaged: {error}; remove it and resume the run") from None
    if why := _lacks(files):
        raise FileError(f"{source} {why}; remove it and resume the run")
    return files


def _lacks(files: Mapping[str, bytes]) -> str:
    """What keeps these files from being an artifact; empty if there are metadata, and every file that they list."""
    if METADATA not in files:
        return f"holds no {METADATA}"
    try:
        listed = Listing.model_validate_json(files[METADATA]).sha256
    except ValidationError:
        return f"has a damaged {METADATA}"
    names = (name for name in listed if name not in files or sha256(files[name]).hexdigest() != listed[name])
    return next((f"has {name} not as its {METADATA} lists it" for name in names), "")
