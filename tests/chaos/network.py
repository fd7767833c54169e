"""Hosts as namespaces: each has a network, a name, process ids, so a machine id of its own, and sees no other's folder.

This process is their router. It must run in a user namespace of its own: `unshare -rn`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

UNSHARE = ("unshare", "-rn")


def is_permitted() -> bool:
    """Whether this process may make such hosts."""
    try:
        tried = subprocess.run(
            [*UNSHARE, "unshare", "-num", "-p", "--fork", "--mount-proc", "true"], capture_output=True
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@dataclass
class Host:
    """A host: `number` is part of its address, `folder` its disk."""

    name: str
    number: int
    folder: Path
    anchor: subprocess.Popen[bytes] | None = None
    # Folders of other hosts, which it does not see.
    hidden: list[Path] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"10.77.{self.number}.2"

    @property
    def link(self) -> str:
        """The router's end of its cable."""
        return f"chaos{self.number}"

    def boot(self) -> None:
        """Start it, without any process but its first."""
        hide = "".join(f"mount -t tmpfs none {folder} && " for folder in self.hidden)
        start = f"{hide}hostname {self.name} && echo up && exec sleep 99999"
        words = ("unshare", "-num", "-p", "--fork", "--mount-proc", "sh", "-c", start)
        self.anchor = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.anchor.stdout is not None and self.anchor.stdout.readline() == b"up\n"
        gateway = f"10.77.{self.number}.1"
        _run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self._first)
        _run("ip", "addr", "add", f"{gateway}/24", "dev", self.link)
        _run("ip", "link", "set", self.link, "up")
        inside = (
            f"ip addr add {self.address}/24 dev eth0; ip link set eth0 up; ip link set lo up;"
            f" ip route add default via {gateway}"
        )
        _run(*self.enter(), "sh", "-c", inside)

    @property
    def _first(self) -> str:
        """The id of its first process."""
        assert self.anchor is not None
        return str(psutil.Process(self.anchor.pid).children()[0].pid)

    def enter(self, cwd: Path | None = None) -> list[str]:
        """What begins a command that runs on it, in a folder."""
        where = str(cwd or self.folder)
        inside = ("nsenter", "-t", self._first, "-n", "-u", "-m", "-p")
        return [*inside, "sh", "-c", 'cd "$0" && exec "$@"', where]

    def die(self) -> None:
        """Lose power: every process of it is gone, and its links are cut without a word to other hosts."""
        self.cut()
        self.end()
        subprocess.run(["ip", "link", "del", self.link], capture_output=True)  # unless the kernel has done it already

    def end(self) -> None:
        """Kill its first process, and with it every other; nothing is done if it has ended."""
        if self.anchor is not None and self.anchor.poll() is None:
            for first in psutil.Process(self.anchor.pid).children():
                first.kill()
            self.anchor.wait()

    def cut(self) -> None:
        """Unplug it: no packet arrives, none leaves."""
        _run("ip", "link", "set", self.link, "down")

    def join(self) -> None:
        """Plug it in again."""
        _run("ip", "link", "set", self.link, "up")

    def deafen(self) -> None:
        """Half-open: what it sends arrives, no answer comes back."""
        _run("ip", "route", "add", "blackhole", f"{self.address}/32")

    def hear(self) -> None:
        """End that."""
        _run("ip", "route", "del", "blackhole", f"{self.address}/32")


@contextmanager
def network(folder: Path, *names: str) -> Iterator[list[Host]]:
    """Hosts of these names, each with a folder below `folder`."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    _run("ip", "link", "set", "lo", "up")
    hosts = [Host(name, number, folder / name) for number, name in enumerate(names, 1)]
    for host in hosts:
        host.folder.mkdir(parents=True)
        host.hidden = [each.folder for each in hosts if each is not host]
    try:
        for host in hosts:
            host.boot()
        yield hosts
    finally:
        for host in hosts:
            host.end()
