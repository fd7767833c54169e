"""What code of plug-ins prints: to standard error, at most so much per call."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

MOST_CHARACTERS = 10_000


class Printed:
    """A text stream that passes `MOST_CHARACTERS` on to another one, then one line which names that limit."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._left = stream, MOST_CHARACTERS

    def write(self, text: str) -> int:
        """Pass the text on, or as much of it as the limit leaves."""
        if self._left > 0:
            self._stream.write(text[: self._left])
            self._left -= len(text)
            if self._left <= 0:
                self._stream.write(f"\n(a plug-in has printed {MOST_CHARACTERS:,} characters; the rest is left out)\n")
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """All else is the stream's own."""
        return getattr(self._stream, name)


@contextmanager
def printing() -> Iterator[None]:
    """Inside, what is printed to standard output or error goes to standard error, limited."""
    printed: Any = Printed(sys.stderr)
    with redirect_stdout(printed), redirect_stderr(printed):
        yield
