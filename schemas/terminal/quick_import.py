"""Imports of large libraries by programs that start often: commands, workers and their pool children."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quick_import(*unused: str) -> Iterator[None]:
    """Import without garbage collection and without `unused`: optional packages of what is imported inside.

    An import leaves almost no garbage, but the collector walks all that it created again and again; afterwards it
    counts as old, so that the next collection does not walk it either. A package in `unused` that this process has not
    imported yet raises ImportError inside, as if it were not installed.
    """
    modules: dict[str, Any] = sys.modules
    refused = [name for name in unused if name not in modules]
    modules.update(dict.fromkeys(refused))
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in refused:
            del modules[name]
        if collects:
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
            gc.enable()
