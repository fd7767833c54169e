"""Faults of a fleet of three hosts without a shared disk: A runs the orchestrator and a broker with TLS and an access
control list, B an S3 server and a worker, C a worker.

Run by `python -m tests.chaos`, in a user namespace of its own. Prints one row as JSON per line.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import psutil
from redis import Redis

from orchestrator.broker.embedded import find_binary
from schemas.redis.client import BROKER_ENV
from tests.chaos.invariant import check, digests
from tests.chaos.lab import Lab, Run
from tests.chaos.network import Host, network
from tests.chaos.trial import row_of
from tests.conftest import ROOT, clean_environment, processes_about, with_role
from tests.doubles.s3_server import BUCKET, leads_to, make_bucket
from tests.schemas.redis.test_tls import write_certificate
from tests.waiting import wait_for

PLAIN, TLS, S3, FAR_TLS, FAR_S3 = 7001, 7002, 7003, 7004, 7005
# 32 windows instead of 64.
FEWER = ("--step-days", "56")
HALF_TRIP_S = 0.1
RELAY = (sys.executable, "-m", "tests.chaos.relay")


class Hosts(Lab):
    """The three hosts, and what runs on them; a fresh fleet, run and part of the store per fault."""

    def __init__(self, folder: Path, hosts: list[Host]) -> None:
        super().__init__(folder)
        self.a, self.b, self.c = hosts
        self.redis.close()
        self.redis = Redis(host=self.a.address, port=PLAIN, socket_timeout=15)
        self.certificate = write_certificate(folder, "localhost", self.a.address, "127.0.0.1")
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.row = 0

    def start(self, host: Host, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command on a host, in the folder of the fault that is tried."""
        cwd = host.folder / f"row{self.row}"
        cwd.mkdir(exist_ok=True)
        temporary = host.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        own = {
            "TMPDIR": str(temporary),
            "XDG_STATE_HOME": str(cwd / "state"),
            "CHAOS_LAB": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }
        with (cwd / f"{host.name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*host.enter(cwd), *words], env=clean_environment() | own | variables, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def serve(self) -> None:
        """Start broker, its TLS, and the store."""
        words = [find_binary(), "--bind", self.a.address, "127.0.0.1", "--port", str(PLAIN), "--protected-mode", "no"]
        self.server = self.start(self.a, *words, "--save", "", "--appendonly", "yes")
        self.start(
            self.a, *RELAY, f"{self.a.address}:{TLS}", f"127.0.0.1:{PLAIN}", "--certificate", str(self.certificate)
        )
        self.start(self.b, sys.executable, "-m", "tests.doubles.s3_server", self.b.address, str(S3))
        wait_for(self._answers, "the broker")
        for role in ("gurukul-worker", "gurukul-orchestrator"):
            with_role(self.redis, role)
        wait_for(self._has_bucket, "the store")

    def move_away(self) -> None:
        """Offer broker and store on C with a delay. Not before it is needed: C's processes end when it loses power."""
        for near, there in ((FAR_TLS, f"{self.a.address}:{TLS}"), (FAR_S3, f"{self.b.address}:{S3}")):
            self.start(self.c, *RELAY, f"127.0.0.1:{near}", there, "--delay", str(HALF_TRIP_S))

    def _has_bucket(self) -> bool:
        try:
            make_bucket(self.b.address, S3)
        except OSError:
            return False
        return True

    def broker(self, role: str, place: str = "") -> str:
        """The broker's URL for a role."""
        where = place or f"{self.a.address}:{TLS}"
        return f"rediss://{role}:pw@{where}/0?ssl_ca_certs={self.certificate}"

    @property
    def store(self) -> str:
        """The part of the store for the fault that is tried."""
        return f"s3://{BUCKET}/row{self.row}"

    def start_worker(self, host: Host, *, far: bool = False) -> None:
        """Start a worker of one device on a host, and wait until it is online."""
        url = self.broker("gurukul-worker", f"127.0.0.1:{FAR_TLS}" if far else "")
        place = leads_to("127.0.0.1", FAR_S3) if far else leads_to(self.b.address, S3)
        self.workers[host.name] = self.start(
            host, sys.executable, "-m", "workers", "start", "--devices", "cpu:1x1", "--source-dir", str(self.bars),
            "--store", self.store, **place, **{BROKER_ENV: url},
        )  # fmt: skip
        wait_for(lambda: f"cpu0@{host.name}" in self.present(), f"the worker of {host.name}", within_s=60)

    def stop_workers(self) -> None:
        """SIGTERM to each `workers start`; nothing of them stays on a host that was not killed."""
        for process in self.workers.values():
            if process.poll() is None:
                for inside in psutil.Process(process.pid).children():
                    inside.terminate()
                process.wait(60)
        self.workers.clear()
        wait_for(lambda: not self.present(), "the end of the fleet", within_s=30)

    def begin(self) -> Run:
        """Start the run of the next fault."""
        words = ["run", "--source", f"csv:{self.bars}", *SPAN_OF_RUN, "--run-id", "chaos", "--no-local-workers"]
        process = self.start(
            self.a, sys.executable, "-m", "orchestrator", *words, "--store", self.store,
            **leads_to(self.b.address, S3), **{BROKER_ENV: self.broker("gurukul-orchestrator")},
        )  # fmt: skip
        cwd = self.a.folder / f"row{self.row}"
        (cwd / "A.log").rename(cwd / "chaos.txt")
        self.runs.append(Run(self, cwd, "chaos", process))
        return self.runs[-1]

    def arrange(self, fault: str, count: int) -> None:
        """Have the store's next writes fail in a way."""
        connection = HTTPConnection(self.b.address, S3)
        connection.request("GET", f"/!/{fault}/{count}")
        assert connection.getresponse().status == 204
        connection.close()

    def strangers(self) -> list[psutil.Process]:
        """Processes of this lab that neither serve nor work."""
        known = {psutil.Process().pid}
        anchors = [host.anchor for host in (self.a, self.b, self.c) if host.anchor is not None]
        for process in (*self.started, *anchors):
            if process.poll() is None:
                known |= {process.pid, *(each.pid for each in psutil.Process(process.pid).children(recursive=True))}
        return [process for process in processes_about(str(self.folder)) if process.pid not in known]


SPAN_OF_RUN = ("--start-date", "2023-06-01", "--end-date", "2024-09-28", "--window-days", "90", *FEWER)

Inject = Callable[[Hosts, Run], None]


@dataclass(frozen=True)
class HostFault:
    """A fault of three hosts. `starts`: whether C has a worker from the start; `far`: 200 ms from broker and store."""

    name: str
    inject: Inject
    starts: bool = True
    far: bool = False
    within_s: float = 240.0


def _calm(hosts: Hosts, run: Run) -> None:
    hosts.note_injection()


def _join(hosts: Hosts, run: Run) -> None:
    run.reaches(8)
    hosts.note_injection()
    hosts.start_worker(hosts.c)


def _kill(hosts: Hosts, run: Run) -> None:
    """C loses power and comes back with an empty memory and its disk."""
    run.reaches(8)
    hosts.note_injection()
    hosts.c.die()
    hosts.c.boot()
    wait_for(lambda: "cpu0@C" not in hosts.present(), "the end of C's heartbeat", within_s=30)
    hosts.start_worker(hosts.c)


def _part(
    whose: Callable[[Hosts], Host], begin: Callable[[Host], None], end: Callable[[Host], None], seconds: float
) -> Inject:
    def inject(hosts: Hosts, run: Run) -> None:
        run.reaches(8)
        host = whose(hosts)
        hosts.note_injection()
        begin(host)
        time.sleep(seconds)  # how long it lasts is the fault
        end(host)

    return inject


def _cut(whose: Callable[[Hosts], Host], seconds: float) -> Inject:
    return _part(whose, Host.cut, Host.join, seconds)


def _store_fails(fault: str, hosts: Hosts, run: Run) -> None:
    for moment in (4, 12, 24):
        run.reaches(moment)
        hosts.arrange(fault, 6)
        hosts.note_injection()


def _b(hosts: Hosts) -> Host:
    return hosts.b


def _c(hosts: Hosts) -> Host:
    return hosts.c


HOST_FAULTS = (
    HostFault("hosts: a worker joins", _join, starts=False),
    HostFault("hosts: a worker's host loses power", _kill),
    HostFault("hosts: a worker cut off for 10 s", _cut(_c, 10)),
    HostFault("hosts: a worker cut off for 60 s", _cut(_c, 60)),
    HostFault("hosts: a worker that no answer reaches for 20 s", _part(_c, Host.deafen, Host.hear, 20)),
    HostFault("hosts: a worker 200 ms away", _calm, far=True),
    HostFault("hosts: store and a worker cut off for 10 s", _cut(_b, 10)),
    HostFault("hosts: store and a worker cut off for 60 s", _cut(_b, 60)),
    HostFault("hosts: store answers 503", partial(_store_fails, "refused")),
    HostFault("hosts: store answers late", partial(_store_fails, "late")),
    HostFault("hosts: store's answers are lost, writes come twice", partial(_store_fails, "unanswered")),
)


@contextmanager
def _fleet(hosts: Hosts, fault: HostFault | None) -> Iterator[Run]:
    """A fresh fleet and run."""
    hosts.row += 1
    hosts.injected.clear()
    if fault is not None and fault.far:
        hosts.move_away()
    hosts.start_worker(hosts.b)
    if fault is None or fault.starts:
        hosts.start_worker(hosts.c, far=fault is not None and fault.far)
    yield hosts.begin()
    hosts.stop_workers()


def main() -> None:
    """Try the faults whose names contain one of the given words."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.hosts")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", action="append", default=[])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with network(options.folder, "A", "B", "C") as found:
        hosts = Hosts(options.folder, found)
        try:
            hosts.serve()
            with _fleet(hosts, None) as run:
                assert run.finish(240) == 0, run.printed
                calm = digests(run)
                check(run, calm)
            for fault in HOST_FAULTS:
                if any(word in fault.name for word in options.only or [""]):
                    with _fleet(hosts, fault) as run:
                        fault.inject(hosts, run)
                        row = row_of(fault.name, run, calm, within_s=fault.within_s)
                    print(json.dumps(asdict(row)), flush=True)
        finally:
            for process in hosts.started:
                process.kill()


if __name__ == "__main__":
    main()
