"""A host whose disk gets full, or whom the store refuses, in the middle of a run: nothing is lost, nothing is doubled.

Orchestrator on host A, a worker on host B, an S3 server between them. The full disk is one of a
namespace's own.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.task import Role, Status
from schemas.files.layout import METADATA, RunLayout
from schemas.files.run_files import read_rows
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from schemas.store.object_store import open_store
from tests.conftest import SPAN, Finished, clean_environment, command, state_of
from tests.doubles.s3_server import BUCKET, S3Server, s3_server
from tests.system.test_store import results
from tests.waiting import wait_for

OWN_MOUNTS = ["unshare", "-rm"]
MOUNTED = 'mount -t tmpfs -o size=2g,mode=755 tmpfs "$0" && exec sleep 600'


class SmallDisk:
    """A disk at a folder, seen by processes in its namespace."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.holder = subprocess.Popen([*OWN_MOUNTS, "sh", "-c", MOUNTED, str(folder)])
        self._inside = ["nsenter", "-t", str(self.holder.pid), "-m", "-U", "--preserve-credentials"]
        # From outside of the namespace.
        self.folder = Path(f"/proc/{self.holder.pid}/root{folder}")
        wait_for(lambda: os.statvfs(self.folder).f_blocks * os.statvfs(self.folder).f_frsize == 2 << 30, "the disk")

    @property
    def prefix(self) -> list[str]:
        """What begins a command that is to run in the folder."""
        return [*self._inside, "sh", "-c", 'cd "$0" && exec "$@"', str(self._folder)]

    def fill(self) -> None:
        """Take all room that is free."""
        used = os.statvfs(self.folder)
        self._size(f"{(used.f_blocks - used.f_bfree) * used.f_frsize // 1024}k")

    def make_room(self) -> None:
        """Give it back."""
        self._size("2g")

    def _size(self, size: str) -> None:
        subprocess.run([*self._inside, "mount", "-o", f"remount,size={size}", str(self._folder)], check=True)


@dataclass(frozen=True)
class Hosts:
    """Hosts of a fleet, which share a broker and a store; the access key of B can be revoked."""

    folder: Path
    url: str
    bars: Path
    server: S3Server

    @property
    def store(self) -> str:
        """URL of a store of its own: the servers of one process share what they hold."""
        return f"s3://{BUCKET}/{self.folder.name}"

    @contextmanager
    def worker(self, prefix: Sequence[str] = ()) -> Iterator[None]:
        """A worker of one slot on B."""
        start = ["start", "--devices", "cpu:1x1", "--source-dir", str(self.bars), "--store", self.store]
        with self.process("B", ["-m", "workers", *start], prefix, {"AWS_ACCESS_KEY_ID": "B"}):
            with Redis.from_url(self.url) as redis:
                wait_for(lambda: len(read_presences(redis)) == 1, "a worker")
            yield

    @contextmanager
    def run(self, prefix: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """The run of `two_device_run` on A."""
        flags = ["--source", f"csv:{self.bars}", *SPAN, "--run-id", "generated", "--no-local-workers"]
        with self.process("A", ["-m", "orchestrator", "run", *flags, "--store", self.store], prefix, {}) as process:
            yield process

    @contextmanager
    def process(
        self, host: str, arguments: list[str], prefix: Sequence[str], variables: dict[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process on a host, ended afterwards; its output is in a file beside the host's folder."""
        cwd = self.folder / host
        cwd.mkdir(exist_ok=True)
        environment = clean_environment() | {BROKER_ENV: self.url} | state_of(self.folder) | variables
        with (self.folder / f"{host}.out").open("ab") as out:
            process = subprocess.Popen(
                [*prefix, sys.executable, *arguments], cwd=cwd, env=environment, stdout=out, stderr=out
            )
            try:
                yield process
            finally:
                process.terminate()
                process.wait(60)

    def printed(self, host: str) -> str:
        """What processes of a host have printed."""
        return (self.folder / f"{host}.out").read_text()


@pytest.fixture
def hosts(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    """Server and broker of a fleet without processes."""
    with ExitStack() as stack:
        application, environment = stack.enter_context(s3_server())
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        open_store.cache_clear()
        stack.callback(open_store.cache_clear)
        yield Hosts(tmp_path, stack.enter_context(embedded.server()), bars, application)


@pytest.fixture
def disk() -> Iterator[Callable[[Path], SmallDisk]]:
    """Makes a small disk at a folder."""
    if subprocess.run([*OWN_MOUNTS, "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not permitted here")
    made: list[SmallDisk] = []

    def make(folder: Path) -> SmallDisk:
        made.append(SmallDisk(folder))
        return made[-1]

    yield make
    for each in made:
        each.holder.kill()
        each.holder.wait()


def trained(folder: Path) -> int:
    """How many teachers a host has."""
    return len(list((folder / "data/models/generated").glob(f"windows/*/teacher/{METADATA}")))


def events(folder: Path) -> str:
    """The event log of the run."""
    return (folder / "data/analytics/training/training_run_generated.jsonl").read_text()


def check_calm(folder: Path, calm: Finished) -> None:
    """The run has the bytes of one that nothing has disturbed, and no window of it has failed."""
    layout = RunLayout.under(folder / "data", "generated")
    assert {row.status for role in (Role.TEACHER, Role.STUDENT) for row in read_rows(layout, role)} == {
        Status.SUCCESS,
        Status.SKIPPED,
    }
    mine, undisturbed = results(layout.folder), results(calm.folder)
    assert sorted(mine) == sorted(undisturbed)
    assert [name for name in mine if mine[name] != undisturbed[name]] == []


def test_a_worker_whose_credentials_are_revoked_gets_no_work_until_it_has_others(
    hosts: Hosts, two_device_run: Finished
) -> None:
    """Each attempt would fail there, three times, and each window with it. The run waits, and `doctor` names why."""
    with hosts.worker(), hosts.run() as run:
        wait_for(lambda: trained(hosts.folder / "A") >= 2, "two teachers")
        hosts.server.revoked.add("B")
        wait_for(lambda: "gets no work: its last request to the store failed" in events(hosts.folder / "A"), "a word")
        found = command("doctor", "--broker", hosts.url, "--store", hosts.store, cwd=hosts.folder / "A")
        assert found.returncode == 3 and "InvalidAccessKeyId" in found.stdout, found.stdout
        hosts.server.revoked.clear()
        assert run.wait(120) == 0, hosts.printed("A")
    assert hosts.printed("A").count("gets no work") == 1, "one word, while the worker asks again"
    check_calm(hosts.folder / "A", two_device_run)


def test_a_worker_whose_disk_is_full_gets_no_work_until_there_is_room(
    hosts: Hosts, disk: Callable[[Path], SmallDisk], two_device_run: Finished
) -> None:
    """As above; the heartbeat shows the room at once."""
    small = disk(hosts.folder / "B")
    with hosts.worker(small.prefix), hosts.run() as run:
        wait_for(lambda: trained(hosts.folder / "A") >= 2, "two teachers")
        small.fill()
        wait_for(lambda: "on its host is full; free some there" in events(hosts.folder / "A"), "a word")
        small.make_room()
        assert run.wait(120) == 0, hosts.printed("A")
    check_calm(hosts.folder / "A", two_device_run)


def test_a_run_whose_own_disk_is_full_ends_and_is_resumed(
    hosts: Hosts, disk: Callable[[Path], SmallDisk], two_device_run: Finished
) -> None:
    """It cannot record what it does. Once there is room, `resume` goes on with what was recorded."""
    small = disk(hosts.folder / "A")
    with hosts.worker():
        with hosts.run(small.prefix) as run:
            wait_for(lambda: trained(small.folder) >= 2, "two teachers")
            small.fill()
            assert run.wait(120) == 3, hosts.printed("A")
        printed = hosts.printed("A")
        assert "is full" in printed and "free some, then: orchestrator resume generated" in printed, printed
        assert "Traceback" not in printed
        small.make_room()
        with hosts.process("A", ["-m", "orchestrator", "resume", "generated"], small.prefix, {}) as run:
            assert run.wait(120) == 0, hosts.printed("A")
        check_calm(small.folder, two_device_run)
