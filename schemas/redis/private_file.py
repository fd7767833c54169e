"""Read a file that holds a secret, so that no command line or environment does."""

import stat
from pathlib import Path

from schemas.contract.errors import RequestError

MOST_CHARACTERS = 4096


def read_private(path: str | Path, what: str, remedy: str) -> str:
    """The text of a small file; RequestError if every user of the host may read it.

    `what` names the kind of file in errors, `remedy` the option or variable that names the file.
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            mode = Path(path).stat().st_mode
            text = file.read(MOST_CHARACTERS).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise RequestError(f"{what} {path} cannot be read: {reason}; check {remedy}") from None
    if mode & stat.S_IROTH:
        raise RequestError(f"{what} {path} can be read by every user of this host; run: chmod 600 {path}")
    return text
