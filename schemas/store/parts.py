"""A file as one object or, if it is large, as parts by digest and an object that lists them.

No request moves more than a part, so each ends in time on a slow network, and no process has a large file in memory.
The list is put last: a reader finds all parts of the file that it names.
"""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.errors import FileError
from schemas.contract.identifiers import Sha256
from schemas.files.atomic import write_atomic
from schemas.files.bounded import MIB
from schemas.files.free_space import GIB, LEAST_FREE_GIB, free_gib
from schemas.files.run_files import model_of
from schemas.store.object_store import ObjectStore
from schemas.store.together import TOGETHER, gathered, together

PART_BYTES = 8 * MIB
PARTS = ".parts"
# What a list of parts begins with, and no file of a run.
MARK = b"gurukul parts 1\n"
# A list of so many bytes names 15,000 parts, 120 GB.
LARGEST_LIST_BYTES = MIB
RESUME = "resume the run that it belongs to"


class Parts(Frozen):
    """A large file: its size, and the digest of each part; all but the last have `PART_BYTES`."""

    size_bytes: int = Field(gt=0)
    sha256: tuple[Sha256, ...]


class _GoneError(FileError):
    """A part is not stored: another file has replaced the one that it was of, or its store was changed."""


def put_file(store: ObjectStore, key: str, path: Path) -> None:
    """Store a file; it replaces the one of that key, whose parts are removed."""
    size = path.stat().st_size
    if size <= PART_BYTES:
        store.put(key, path.read_bytes())
        return
    places: dict[str, int] = {}
    digests = []
    for start in range(0, size, PART_BYTES):
        digests.append(hashlib.sha256(_part(path, start, size)).hexdigest())
        places.setdefault(digests[-1], start)
    before = store.keys(key + PARTS)
    wanted = {_key(key, digest): start for digest, start in places.items()}
    together(lambda part: store.put(part, _part(path, wanted[part], size)), wanted.keys() - before)
    store.put(key, MARK + Parts(size_bytes=size, sha256=tuple(digests)).model_dump_json().encode())
    together(store.delete, before - wanted.keys())


def get_file(store: ObjectStore, key: str, path: Path, digest: str | None) -> bool:
    """Bring a file here, with that SHA-256; False if none of that key is stored.

    FileError if it is damaged or has another digest, OSError if the disk has no room for it.
    """
    while True:
        content = store.get(key)
        if content is None:
            return False
        try:
            write_atomic(path, _whole(store, key, content, path, digest))
            return True
        except _GoneError:
            if store.get(key) == content:
                raise


def delete_file(store: ObjectStore, key: str) -> None:
    """Remove a file and its parts, also those of one that was not stored whole."""
    store.delete(key)
    together(store.delete, store.keys(key + PARTS))


def _whole(store: ObjectStore, key: str, content: bytes, path: Path, digest: str | None) -> Iterator[bytes]:
    """The content of a file, part by part; raises before the last if it is not that of the digest."""
    source, whole = f"{store.url}/{key}", hashlib.sha256()
    for part in _parts(store, key, content, path) if content.startswith(MARK) else (content,):
        whole.update(part)
        yield part
    if digest is not None and whole.hexdigest() != digest:
        raise FileError(f"{source} is not what was recorded; {RESUME}")


def _parts(store: ObjectStore, key: str, content: bytes, path: Path) -> Iterator[bytes]:
    parts = _listed(content, f"{store.url}/{key}")
    # What the list states is believed only as far as there is room.
    if (free := free_gib(path.parent)) < (needed := parts.size_bytes / GIB) + LEAST_FREE_GIB:
        text = f"{needed:.2f} GiB needed, {free:.2f} free, of which {LEAST_FREE_GIB:g} must stay free"
        raise OSError(errno.ENOSPC, text)

    def fetched(number: int) -> bytes:
        digest = parts.sha256[number]
        part = store.get(_key(key, digest), min(PART_BYTES, parts.size_bytes - number * PART_BYTES))
        if part is None:
            raise _GoneError(f"{store.url} has no {_key(key, digest)}; {RESUME}")
        if hashlib.sha256(part).hexdigest() != digest:
            raise FileError(f"{store.url}/{_key(key, digest)} is not what its name, its digest, states; {RESUME}")
        return part

    return gathered(fetched, range(len(parts.sha256)), TOGETHER)


def _listed(content: bytes, source: str) -> Parts:
    """The parts that an object lists; FileError if it is damaged."""
    if len(content) > LARGEST_LIST_BYTES:
        raise FileError(f"{source} lists more parts than a file of a run has; remove it, and {RESUME}")
    parts = model_of(content.removeprefix(MARK), Parts, source, remedy=f"remove it, and {RESUME}")
    if len(parts.sha256) != -(-parts.size_bytes // PART_BYTES):
        raise FileError(f"{source} is damaged: {len(parts.sha256)} parts have not {parts.size_bytes} bytes; {RESUME}")
    return parts


def _part(path: Path, start: int, size: int) -> bytes:
    """The part of a file that begins at a byte; nothing that was written beyond `size` meanwhile."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(min(PART_BYTES, size - start))


def _key(key: str, digest: str) -> str:
    return f"{key}{PARTS}/{digest}"
