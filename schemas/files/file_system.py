"""Which kind of file system a path is on: SQLite's write-ahead log needs memory that its processes share."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
# File systems whose other users may be on other hosts, or outside this virtual machine. FUSE's are either, or unknown.
NETWORK = frozenset(
    [
        "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "drvfs", "fakeowner", "gfs2", "glusterfs", "gpfs", "lustre",
        "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
    ]
)  # fmt: skip


def network_file_system(path: Path) -> str | None:
    """Type of the network file system that a path is on, such as `nfs4`; None for another, or where none is listed."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # not Linux
        return None
    kind = type_of(mounts, os.path.realpath(path))
    return kind if kind in NETWORK or kind.startswith("fuse.") else None


def type_of(mounts: str, path: str) -> str:
    """Type of the file system that holds an absolute path, from the lines of `/proc/mounts`; empty if none does.

    The innermost mount point decides, and of mounts on one point the last.
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Blanks, tabs, newlines and backslashes of a name are stored as octal numbers.
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1]).rstrip("/")
        if (path == point or path.startswith(f"{point}/")) and len(point) >= longest:
            found, longest = fields[2], len(point)
    return found
