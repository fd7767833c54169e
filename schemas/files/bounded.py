"""Read stored files whose size is capped before anything of them is in memory."""

import gzip
import zlib
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO, RawIOBase
from pathlib import Path

from schemas.contract.errors import DataError, FileError

MIB = 1 << 20
# A stored model is a few hundred trees of depth 3, or a list of coefficients: below 1 MiB.
LARGEST_MODEL_BYTES = 64 * MIB
# Labels take about 700 bytes per row (measured) unpacked. 36 symbols with a year of minute bars have 3.4 million rows.
LABEL_BYTES_PER_ROW = 2048
MOST_LABEL_ROWS = 8_000_000
# Any other file of an artifact: predictions of one window, importances, a certificate, metadata.
LARGEST_FILE_BYTES = 256 * MIB


def largest_labels_bytes(rows: int) -> int:
    """Largest accepted size of the labels of so many rows, packed or unpacked."""
    return MIB + LABEL_BYTES_PER_ROW * min(max(rows, 0), MOST_LABEL_ROWS)


def read_recorded(path: Path, digests: Mapping[str, str], largest_bytes: int, remedy: str) -> bytes:
    """Content of a file that `digests` names, checked before it is parsed. DataError if it is missing or changed."""
    try:
        content = read_bounded(path, largest_bytes)
    except FileNotFoundError:
        raise FileError(f"{path} is missing; {remedy}") from None
    if sha256(content).hexdigest() != digests.get(path.name):
        raise DataError(f"{path} is not what was recorded; {remedy}")
    return content


def read_bounded(path: Path, largest_bytes: int) -> bytes:
    """Content of a file. FileError if it is larger than `largest_bytes`; FileNotFoundError if there is none."""
    with path.open("rb") as file:
        # One byte more than allowed shows a file that grew, or that has no size, such as a pipe.
        content = file.read(largest_bytes + 1) if path.stat().st_size <= largest_bytes else None
    if content is None or len(content) > largest_bytes:
        raise FileError(f"{path} is larger than {largest_bytes // MIB} MiB, so it is not what a run writes; remove it")
    return content


class Unpacked(RawIOBase):
    """Decompressed content of a .gz file, read in parts. FileError if it is damaged, or larger than `largest_bytes`."""

    def __init__(self, packed: bytes, largest_bytes: int, path: Path) -> None:
        self._file, self._left, self._path = gzip.GzipFile(fileobj=BytesIO(packed)), largest_bytes, path
        self._largest_bytes = largest_bytes

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer at the end; all that are left without a size."""
        try:
            content = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        except (EOFError, OSError, zlib.error) as error:
            raise FileError(f"{self._path} is damaged: {error}; remove it and resume the run") from None
        self._left -= len(content)
        if self._left < 0:
            largest = self._largest_bytes // MIB
            raise FileError(f"{self._path} unpacks to more than {largest} MiB, so it is not what a run writes")
        return content
