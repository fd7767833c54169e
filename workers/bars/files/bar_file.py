"""A file of bars as it is on disk: plain, compressed by gzip, bzip2 or xz, or a member of a zip archive."""

import bz2
import codecs
import gzip
import io
import lzma
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
UNPACKERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED_SUFFIXES = (*UNPACKERS, ".zip")
# Endings of files that hold bars in a form that is not read, and what to do with them.
OTHER_KINDS = dict.fromkeys((".xlsx", ".xls", ".xlsb", ".ods"), "is a workbook; save it as CSV")
OTHER_KINDS |= dict.fromkeys((".feather", ".arrow", ".ipc"), "is a Feather file; write it as Parquet")
OTHER_KINDS |= dict.fromkeys(
    (".pkl", ".pickle", ".npz", ".npy", ".h5", ".hdf5", ".db", ".sqlite"),
    "is a file of another program; write it as Parquet",
)
OTHER_KINDS |= dict.fromkeys((".json", ".jsonl", ".ndjson"), "is JSON; write it as CSV")
OTHER_KINDS |= dict.fromkeys((".7z", ".rar", ".zst", ".tar", ".tgz"), "is packed in a way that is not read; unpack it")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# How a packed file that is damaged (the first three) or cut off shows while it is read; a member of a zip archive that
# needs a password is a RuntimeError, and one of a compression that Python lacks a NotImplementedError.
UNPACKING = (
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    EOFError,
    RuntimeError,
    NotImplementedError,
)


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
    def open(self, encoding: str | None = None) -> Iterator[BinaryIO]:
        """Its text in UTF-8 with line feeds. OSError if it cannot be read, DataError if it cannot be unpacked.

        `encoding`: how it is written, if not in UTF-8 and without a byte order mark.
        """
        try:
            with self._opened() as stream, io.BufferedReader(stream, BUFFER_BYTES) as text:  # type: ignore[type-var]
                yield _plain_text(text, encoding)
        except UNPACKING as error:
            raise DataError(f"cannot be unpacked: {error}; pack it again, or unpack it") from None

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as packed:
            if self.member:
                with zipfile.ZipFile(packed) as archive, archive.open(self.member) as stream:
                    yield stream  # type: ignore[misc]
            elif (unpack := UNPACKERS.get(self.path.suffix.lower())) is not None:
                with unpack(packed) as stream:
                    yield stream
            else:
                yield packed


def text_files(path: Path) -> list[BarFile]:
    """The text files that a path holds: itself, or the members of a zip archive; none for another kind of file."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        return [BarFile(path, member, stem(Path(member).name)) for member in _members(path)]
    if suffix in TEXT_SUFFIXES or (suffix in UNPACKERS and Path(path.stem).suffix.lower() in TEXT_SUFFIXES):
        return [BarFile(path, "", stem(path.name))]
    return []


def other_kind(path: Path, suffix: str) -> str:
    """What the first file here of a kind that is not read is, and what to do; empty if there is none."""
    kinds = OTHER_KINDS | {
        ".csv": "is a text file; give --source csv:DIR",
        ".parquet": "is a Parquet file; give --source parquet:DIR",
    }
    kinds.pop(suffix)
    names = sorted(each.name for each in path.iterdir()) if path.is_dir() else [path.name]
    return next((f"{name} {kinds[end]}" for name in names if (end := Path(name).suffix.lower()) in kinds), "")


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


def _plain_text(text: Any, encoding: str | None) -> BinaryIO:
    """The stream, or its text rewritten if it is not UTF-8 or if its lines end in carriage returns alone."""
    begin = text.peek(BUFFER_BYTES)
    marked = begin.startswith(UTF_16)
    name = "utf-16" if marked else encoding
    if name is None and (b"\n" in begin or b"\r" not in begin):
        stream: BinaryIO = text
        return stream
    whole = text.read(REWRITTEN_BYTES + 1)
    if len(whole) > REWRITTEN_BYTES:
        raise DataError(f"is larger than {REWRITTEN_BYTES >> 20} MB and not UTF-8 with line feeds; save it so")
    if name is not None:
        try:
            whole = whole.decode(name).encode()
        except UnicodeDecodeError as error:
            raise DataError(f"cannot be read as {name.upper()} text: {error.reason}; save it as CSV in UTF-8") from None
    if b"\n" not in whole:
        whole = whole.replace(b"\r", b"\n")
    return io.BytesIO(whole)
