"""Identity of a machine: two hosts, two clones or two containers may have one host name."""

import hashlib
import platform
import uuid
from functools import cache
from pathlib import Path


@cache
def this_machine() -> str:
    """Identity of this operating system since it started and, in a container, of its process namespace.

    A process id identifies a process only together with it.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"{platform.node()}:{uuid.getnode()}"


def machine_part() -> str:
    """Six hexadecimal digits of this machine's identity, for names."""
    return hashlib.sha256(this_machine().encode()).hexdigest()[:6]
