"""Limits the memory that a call of a plug-in may add to its process."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

# Share of the memory that is available on the host when a call begins.
LARGEST_SHARE = 0.5
# The host's memory is read again after so many seconds.
FRESH_S = 1.0

STATM = Path("/proc/self/statm")


@contextmanager
def limited_memory() -> Iterator[None]:
    """Inside, what needs more than half of the memory that is available now is a MemoryError at its line.

    A smaller limit that the process was started with stays. Nothing is limited where the kernel does not count, and in
    a process that sees a GPU, whose driver reserves far more than it uses.
    """
    if not STATM.exists() or os.environ.get("CUDA_VISIBLE_DEVICES"):
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + int(LARGEST_SHARE * _available_bytes(int(time.monotonic() / FRESH_S)))
    others = [each for each in before if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([limit, *others]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    """What the limit counts: private memory of this process that can be written."""
    return int(STATM.read_text().split()[5]) * resource.getpagesize()


@lru_cache(maxsize=1)
def _available_bytes(now: int) -> int:
    import psutil  # a benchmark on a GPU machine runs without it

    return int(psutil.virtual_memory().available)
