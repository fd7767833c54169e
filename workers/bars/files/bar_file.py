"""A file of bars as it is on disk: plain, compressed by gzip, or a member of a zip archive."""

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from schemas.contract.errors import DataError

BUFFER_BYTES = 1 << 20
# UTF-16 and lines that end in carriage returns are rewritten in memory.
REWRITTEN_BYTES = 256 << 20
TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
PACKED_SUFFIXES = (".gz", ".zip")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# How a packed file that is damaged (the first three) or cut off shows while it is read; a member of a zip archive that
# needs a password is a RuntimeError, and one of a compression that Python lacks a NotImplementedError.
UNPACKING = (zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True, order=True)
class BarFile:
    """A file, or a member of a zip archive. `name` stands for the symbol where no column does.

    `keys`: columns that the path holds, as in `symbol=TCS/year=2023/part-0.parquet`.
    """

    path: Path
    member: str = ""
    name: str = ""
    keys: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def is_plain(self) -> bool:
        """Whether its ending is that of bars alone: it is taken for a symbol's also where its header is damaged."""
        return not self.member and self.path.suffix.lower() in (".csv", ".parquet")

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its text in UTF-8 with line feeds. OSError if it cannot be read, DataError if it cannot be unpacked."""
        try:
            with self._opened() as stream, io.BufferedReader(stream, BUFFER_BYTES) as text:  # type: ignore[type-var]
                yield _plain_text(text)
        except UNPACKING as error:
            raise DataError(f"cannot be unpacked: {error}; pack it again, or unpack it") from None

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as packed:
            if self.member:
                with zipfile.ZipFile(packed) as archive, archive.open(self.member) as stream:
                    yield stream  # type: ignore[misc]
            elif self.path.suffix.lower() == ".gz":
                with gzip.open(packed) as stream:
                    yield stream  # type: ignore[misc]
            else:
                yield packed


def text_files(path: Path) -> list[BarFile]:
    """The text files that a path holds: itself, or the members of a zip archive; none for another kind of file."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return [BarFile(path, member, stem(Path(member).name)) for member in _members(path)]
    if suffix in TEXT_SUFFIXES or (suffix == ".gz" and Path(path.stem).suffix.lower() in TEXT_SUFFIXES):
        return [BarFile(path, "", stem(path.name))]
    return []


def stem(name: str) -> str:
    """A file's name without the endings of text and packing."""
    for suffixes in (PACKED_SUFFIXES, TEXT_SUFFIXES):
        for suffix in suffixes:
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
    return name


def _members(path: Path) -> list[str]:
    try:
        with path.open("rb") as packed, zipfile.ZipFile(packed) as archive:
            names = [each.filename for each in archive.infolist() if not each.is_dir()]
    except (OSError, *UNPACKING):
        return [""]
    names = [name for name in names if not name.startswith(("__MACOSX/", "."))]
    return names if len(names) == 1 else sorted(name for name in names if name.lower().endswith(TEXT_SUFFIXES))


def _plain_text(text: Any) -> BinaryIO:
    """The stream, or its text rewritten if it is UTF-16 or if its lines end in carriage returns alone."""
    begin = text.peek(BUFFER_BYTES)
    marked = begin.startswith(UTF_16)
    if not marked and (b"\n" in begin or b"\r" not in begin):
        stream: BinaryIO = text
        return stream
    whole = text.read(REWRITTEN_BYTES + 1)
    if len(whole) > REWRITTEN_BYTES:
        raise DataError(f"is larger than {REWRITTEN_BYTES >> 20} MB and not UTF-8 with line feeds; save it so")
    if marked:
        try:
            whole = whole.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise DataError(f"cannot be read as UTF-16 text: {error.reason}; save it as CSV in UTF-8") from None
    if b"\n" not in whole:
        whole = whole.replace(b"\r", b"\n")
    return io.BytesIO(whole)
