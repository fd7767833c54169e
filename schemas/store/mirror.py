"""The data folder of a host beside the store: what others wrote is brought here, what was written here is published.

The key of an object is the path of its file below the data folder. An artifact is one object, so a reader sees all of
it or nothing, and the first that is stored stays. Bars are stored by digest, so that a run finds its own after a newer
ingestion.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from schemas.contract.errors import FileError
from schemas.files.atomic import artifact_folder, remove_artifact, sha256_of
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.store.object_store import ObjectStore, open_store
from schemas.store.packing import pack, unpack
from schemas.store.parts import RESUME, get_file, put_file
from schemas.store.store_meter import METER

PACKED = ".tar"
# Objects that hold the path of the newest artifact with a key of inputs.
KEYS = "keys"
PLACE = re.compile(
    r"models/(?P<run>[A-Za-z0-9][\w.-]*)/windows/(?P<label>[A-Za-z0-9^][\w&.^=-]*)/(?P<role>teacher|student)", re.ASCII
)


@dataclass(frozen=True)
class Mirror:
    """A data folder, which holds copies, and the store that all hosts share."""

    data_dir: Path
    store: ObjectStore

    @classmethod
    def of(cls, data_dir: str | Path, url: str | None) -> "Mirror | None":
        """The mirror of a data folder; None without a store, where the folder is all that there is."""
        return None if url is None else cls(Path(data_dir), open_store(url))

    def key(self, path: Path) -> str:
        """Key of a file or folder below the data folder."""
        return path.relative_to(self.data_dir).as_posix()

    def push(self, path: Path, key: str | None = None) -> None:
        """Publish a file; it replaces the one of its key, by default its own."""
        put_file(self.store, key or self.key(path), path)

    def pull(self, path: Path, digest: str | None = None, key: str | None = None) -> None:
        """Bring a file here, unless the one with that SHA-256 is here. FileError if the store has none, or another."""
        if digest is not None and has_digest(path, digest):
            METER.kept()
            return
        key = key or self.key(path)
        if not get_file(self.store, key, path, digest):
            raise FileError(f"{self.store.url} has no {key}; {RESUME}")

    def push_artifact(self, folder: Path, key: str) -> bool:
        """Publish an artifact, to be found by the key of its inputs, too.

        False if other bytes were stored first: the folder then holds those.
        """
        own = pack(folder)
        stored = self.store.put_first(self._packed(folder), own)
        if stored != own:
            self._place(folder, stored)
        self.store.put(f"{KEYS}/{key}", self.key(folder).encode())
        return stored == own

    def pull_equal(self, key: str) -> Path | None:
        """Bring the newest artifact with a key of inputs here; returns its folder, None if the store has none now."""
        found = self.store.get(f"{KEYS}/{key}")
        if found is None or (place := PLACE.fullmatch(found.decode(errors="replace"))) is None:
            return None
        folder = RunLayout.under(self.data_dir, place["run"]).artifact(place["label"], place["role"])
        try:
            self.pull_artifact(folder)
        except FileError:
            return None
        return folder

    def pull_artifact(self, folder: Path, digest: str | None = None) -> None:
        """Bring an artifact here, unless it is here; with the SHA-256 of its metadata, unless that one is here.

        FileError if the store has none, or another.
        """
        if _has_artifact(folder, digest):
            METER.kept()
            return
        content = self.store.get(self._packed(folder))
        if content is None:
            raise FileError(f"{self.store.url} has no {self._packed(folder)}; {RESUME}")
        if not _has_artifact(folder, digest):  # another process may have brought it meanwhile, and a third read it
            self._place(folder, content, digest)

    def drop_artifact(self, folder: Path) -> None:
        """Remove an artifact here and in the store."""
        remove_artifact(folder)
        self.store.delete(self._packed(folder))

    def push_bars(self, bars: BarsLayout, path: Path, digest: str) -> None:
        """Publish the bars of a symbol under their SHA-256, if that is not done yet."""
        key = self._bars(bars, digest)
        if not self.store.has(key):
            self.push(path, key)

    def pull_bars(self, bars: BarsLayout, path: Path, digest: str) -> None:
        """Bring the bars of that SHA-256 to `path`, unless they are there. FileError if the store has none."""
        self.pull(path, digest, self._bars(bars, digest))

    def _bars(self, bars: BarsLayout, digest: str) -> str:
        return self.key(bars.copy(digest))

    def _packed(self, folder: Path) -> str:
        return self.key(folder) + PACKED

    def _place(self, folder: Path, content: bytes, digest: str | None = None) -> None:
        source = f"{self.store.url}/{self._packed(folder)}"
        files = unpack(content, source)
        if digest is not None and sha256(files[METADATA]).hexdigest() != digest:
            raise FileError(f"{source} is not what its attempt reported; resume the run")
        remove_artifact(folder)
        with artifact_folder(folder) as temporary:
            for name, file in files.items():
                (temporary / name).write_bytes(file)


def _has_artifact(folder: Path, digest: str | None) -> bool:
    """Whether an artifact is here; with the SHA-256 of its metadata, that one."""
    metadata = folder / METADATA
    return metadata.is_file() if digest is None else has_digest(metadata, digest)


def has_digest(path: Path, digest: str) -> bool:
    """Whether a file has a SHA-256; a file that has not changed since is hashed once per process."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return False
    return _digest(path, state.st_ino, state.st_mtime_ns, state.st_size) == digest


@lru_cache(maxsize=8192)
def _digest(path: Path, *_: int) -> str:
    return sha256_of(path)
