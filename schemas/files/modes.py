"""Access modes of what this program writes: others than owner and group read nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

FILE_MODE, FOLDER_MODE = 0o640, 0o750
MASK = 0o777 & ~FOLDER_MODE


def be_private() -> int:
    """Let this process and its children create nothing wider than these modes; returns the former umask.

    A umask that is tighter is kept.
    """
    former = os.umask(0o077)
    os.umask(former | MASK)
    return former


@contextmanager
def private_files() -> Iterator[None]:
    """`be_private` for the duration of a run, because the process may be one that imports this package."""
    former = be_private()
    try:
        yield
    finally:
        os.umask(former)
