"""Read stored files whose size is capped before anything of them is in memory."""

import gzip
import zlib
from io import BytesIO
from pathlib import Path

from schemas.contract.errors import FileError

MIB = 1 << 20
# A stored model is a few hundred trees of depth 3, or a list of coefficients: below 1 MiB.
LARGEST_MODEL_BYTES = 64 * MIB
# Labels of one training window, compressed and not: about 700 bytes per row (measured), so three million rows.
LARGEST_LABELS_BYTES = 256 * MIB
LARGEST_UNPACKED_LABELS_BYTES = 2048 * MIB


def read_bounded(path: Path, largest_bytes: int) -> bytes:
    """Content of a file. FileError if it is larger than `largest_bytes`; FileNotFoundError if there is none."""
    with path.open("rb") as file:
        # One byte more than allowed shows a file that grew, or that has no size, such as a pipe.
        content = file.read(largest_bytes + 1) if path.stat().st_size <= largest_bytes else None
    if content is None or len(content) > largest_bytes:
        raise FileError(f"{path} is larger than {largest_bytes // MIB} MiB, so it is not what a run writes; remove it")
    return content


def unpack_bounded(packed: bytes, largest_bytes: int, path: Path) -> bytes:
    """Decompressed content of a .gz file. FileError if it is damaged, or larger than `largest_bytes`."""
    try:
        content = gzip.GzipFile(fileobj=BytesIO(packed)).read(largest_bytes + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise FileError(f"{path} is damaged: {error}; remove it and resume the run") from None
    if len(content) > largest_bytes:
        raise FileError(f"{path} unpacks to more than {largest_bytes // MIB} MiB, so it is not what a run writes")
    return content
