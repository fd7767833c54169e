"""An append-only log of one JSON object per line, which survives a crash in the middle of a write.

A line counts once its newline is written. A half-written last line was never acted on: readers pass it over, and the
next writer cuts it off.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from schemas.files.file_system import network_file_system
from schemas.files.locks import lock
from schemas.files.owner_file import owned


def whole_lines(content: bytes) -> list[bytes]:
    """The lines that end in a newline, without it."""
    return content.split(b"\n")[:-1]


@contextmanager
def locked_log(path: Path, *, wait: bool = True) -> Iterator[BinaryIO]:
    """Open a log to read and append, created if needed, for one process at a time.

    BlockingIOError if another process holds it and `wait` is False; it names that process where locks do not suffice.
    """
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        file = stack.enter_context(path.open("a+b"))
        if not lock(file, wait=wait) or network_file_system(path) is not None:
            stack.enter_context(owned(path, wait=wait))
            # Opened anew: only then has a network file system what other hosts have written.
            file = stack.enter_context(path.open("a+b"))
        if is_new:
            flush_folder(path.parent)
        yield file


def read_log(file: BinaryIO) -> bytes:
    """All of an open log."""
    file.seek(0)
    return file.read()


def cut_half_line(file: BinaryIO, content: bytes) -> None:
    """Remove a half-written last line of `content`, which is all that the file holds."""
    file.truncate(content.rfind(b"\n") + 1)


def append_line(file: BinaryIO, line: bytes) -> None:
    """Append a line to an open log and flush it to disk."""
    file.write(line + b"\n")
    file.flush()
    os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a new file's name survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
