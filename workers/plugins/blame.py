"""Which line of a plug-in file an error comes from."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from schemas.contract.errors import GurukulError

E = TypeVar("E", bound=GurukulError)


@contextmanager
def blamed(path: str, what: str, kind: Callable[[str], E]) -> Iterator[None]:
    """Turn whatever the code of a plug-in raises inside into an error of `kind` that names its line.

    `what` is what was done: "imported", or the name of the feature that was computed. SystemExit counts, too: a
    plug-in must not end its process. Errors of the project's tree pass unchanged.
    """
    try:
        yield
    except GurukulError:
        raise
    except (Exception, SystemExit) as error:
        name = "exit" if isinstance(error, SystemExit) else type(error).__name__
        text = " ".join(str(error).split())
        raise kind(f"{_place(path, error)}: {name}{f': {text}' if text else ''} ({what})") from error


def _place(path: str, error: BaseException) -> str:
    """The innermost line of the plug-in, or of a module beside it, that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename} line {error.lineno}"
    folder = Path(path).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).parent == folder or frame.filename == path:
            return f"{frame.filename} line {frame.lineno}"
    return path
