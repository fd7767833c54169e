"""Counts what this process moves to and from a store, until its worker takes the counts."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from schemas.contract.errors import StoreError
from schemas.contract.presence import LONGEST_ERROR, StoreUse


class StoreMeter:
    """Counts of requests that threads of this process have made since they were last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds = 0.0
        self._last: dict[str, Any] = {}

    @contextmanager
    def request(self) -> Iterator[None]:
        """Measure a request, which fails if it raises StoreError."""
        began_s, text = time.monotonic(), ""
        try:
            yield
        except StoreError as error:
            text = str(error)
            raise
        finally:
            with self._lock:
                self._seconds += time.monotonic() - began_s
                if text:
                    self._counts["errors"] += 1
                    self._last["failed_at"] = datetime.now(UTC)
                    if not self._last.get("is_failing"):
                        self._last["last_error"] = text[:LONGEST_ERROR]
                self._last["is_failing"] = bool(text)

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
            use = StoreUse(seconds=round(self._seconds, 6), **self._counts, **self._last)
            self._counts.clear()
            self._last = {}
            self._seconds = 0.0
            return use


METER = StoreMeter()
