"""Counts what this process moves to and from a store, until its worker takes the counts."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from schemas.contract.errors import StoreError
from schemas.contract.presence import StoreUse


class StoreMeter:
    """Counts of requests that threads of this process have made since they were last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Measure a request, which fails if it raises StoreError."""
        began_s, errors = time.monotonic(), 0
        try:
            yield
        except StoreError:
            errors = 1
            raise
        finally:
            with self._lock:
                self._seconds += time.monotonic() - began_s
                self._counts["errors"] += errors

    def fetched(self, size_bytes: int) -> None:
        """Count an object that was read."""
        with self._lock:
            self._counts.update(fetched=1, fetched_bytes=size_bytes)

    def stored(self, size_bytes: int) -> None:
        """Count an object that was written."""
        with self._lock:
            self._counts.update(stored=1, stored_bytes=size_bytes)

    def kept(self) -> None:
        """Count an object that was not read, because its copy is here."""
        with self._lock:
            self._counts.update(kept=1)

    def take(self) -> StoreUse:
        """The counts, which begin at 0 again."""
        with self._lock:
            use = StoreUse(seconds=round(self._seconds, 6), **self._counts)
            self._counts.clear()
            self._seconds = 0.0
            return use


METER = StoreMeter()
