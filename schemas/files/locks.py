"""Locks of open files and folders between processes, also on file systems that have none."""

import errno
import fcntl
from typing import IO

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def lock(file: IO[bytes] | IO[str] | int, *, wait: bool = True, shared: bool = False) -> bool:
    """Lock until the file is closed; False where its file system has no locks, as some network file systems.

    BlockingIOError if another process holds it and `wait` is False.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True
