"""Runs code of plug-in files: what it prints and warns, and which line of it an error comes from."""

import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from schemas.contract.errors import DataError, GurukulError
from workers.plugins.call_note import noted
from workers.plugins.memory_limit import limited_memory
from workers.plugins.own_lines import is_own_line
from workers.plugins.printing import printing

E = TypeVar("E", bound=GurukulError)

_alone = threading.RLock()


@contextmanager
def blamed(path: str, what: str, kind: Callable[[str], E]) -> Iterator[None]:
    """Turn whatever the code of a plug-in raises inside into an error of `kind` that names its line.

    `what` is what was done: "imported", or the name of the feature that was computed. SystemExit counts, too: a
    plug-in must not end its process. Errors of the project's tree pass unchanged. MemoryError stays one, so that the
    window is tried again alone on its device.
    """
    try:
        yield
    except GurukulError:
        raise
    except MemoryError as error:
        raise MemoryError(f"{_place(path, error)}: out of memory ({what})") from error
    except (Exception, SystemExit) as error:
        name = "exit" if isinstance(error, SystemExit) else type(error).__name__
        text = " ".join(str(error).split())
        raise kind(f"{_place(path, error)}: {name}{f': {text}' if text else ''} ({what})") from error


@contextmanager
def user_code(path: str, what: str) -> Iterator[None]:
    """Code of a plug-in inside: warnings are not shown, what it prints is on stderr, an error is a DataError.

    Its memory is limited; its worker knows where it is, should it end or hang its process. One thread at a time: a
    user's function need not be safe for several, and streams and limits are the process's.
    """
    with (
        _alone,
        printing(),
        noted(path, what),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        blamed(path, what, DataError),
        limited_memory(),
    ):
        warnings.simplefilter("ignore")
        yield


def _place(path: str, error: BaseException) -> str:
    """The innermost line of the plug-in, or of a module beside it, that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename} line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_own_line(path, frame.filename):
            return f"{frame.filename} line {frame.lineno}"
    return path
