"""An artifact's folder as one object: an uncompressed tar archive that depends on names and contents only."""

import io
import re
import tarfile
from pathlib import Path

from schemas.contract.errors import FileError
from schemas.files.layout import METADATA

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
MOST_FILES = 32


def pack(folder: Path) -> bytes:
    """The files of a folder, sorted by name, without times and owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.iterdir()):
            content = path.read_bytes()
            member = tarfile.TarInfo(path.name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack(content: bytes, source: str) -> dict[str, bytes]:
    """Map the name of each file of a packed artifact to its content.

    FileError, naming `source`, for anything that `pack` does not write: a path, a link, a damaged archive.
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
    if METADATA not in files:
        raise FileError(f"{source} holds no {METADATA}; remove it and resume the run")
    return files
