"""A fleet to break: a real server that can be stopped, three real workers, real orchestrators, all in one folder."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from orchestrator.dispatch.work import Key
from orchestrator.ledger.ledger import Ledger
from schemas.contract.presence import Presence
from schemas.contract.task import Role
from schemas.files.folder_id import give_folder_id
from schemas.files.layout import RunLayout
from schemas.redis.presences import read_presences
from tests.conftest import clean_environment, processes_about, write_bars
from tests.waiting import wait_for

DEVICES = 3
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
SPAN = ("--start-date", "2023-06-01", "--end-date", "2024-09-28", "--window-days", "90", "--step-days", "28")
SPOILED = Path(__file__).parent / "spoiled"

TAKEN_OVER = """FROM attempts AS later WHERE EXISTS (
    SELECT 1 FROM attempts AS before WHERE before.role = later.role AND before.name = later.name
    AND before.attempt = later.attempt - 1 AND before.failure IS NOT NULL)"""


@dataclass
class Run:
    """One `orchestrator run` in its own folder, and the processes that ran or resumed it."""

    lab: "Lab"
    cwd: Path
    run_id: str
    process: subprocess.Popen[bytes]

    @property
    def printed(self) -> str:
        """Output of its processes so far."""
        return (self.cwd / f"{self.run_id}.txt").read_text()

    @property
    def layout(self) -> RunLayout:
        return RunLayout.under(self.cwd / "data", self.run_id)

    def ended(self) -> int:
        """How many teachers and students have ended so far."""
        if not self.layout.ledger.is_file():
            return 0
        with closing(Ledger(self.layout.ledger)) as ledger:
            return sum(
                count
                for role in (Role.TEACHER, Role.STUDENT)
                for status, count in ledger.counts(role).items()
                if status not in ("pending", "skipped")
            )

    def devices(self) -> list[str]:
        """Every device that an attempt was sent to."""
        if not self.layout.ledger.is_file():
            return []
        with closing(Ledger(self.layout.ledger)) as ledger:
            return ledger.devices()

    def attempts_of(self, name: str) -> int:
        """The highest number of attempts at a window's teacher or student."""
        with closing(Ledger(self.layout.ledger)) as ledger:
            records = [*ledger.records(Role.TEACHER), *ledger.records(Role.STUDENT)]
        return max(record.attempt for record in records if record.name == name)

    def recovered(self, since: float) -> float:
        """Seconds from `since` (Unix time) until the last attempt that took over was sent, or else the next outcome."""
        with closing(sqlite3.connect(self.layout.ledger)) as ledger:
            again = ledger.execute(f"SELECT max(sent) {TAKEN_OVER} AND sent > ?", (since,)).fetchone()
            after = ledger.execute("SELECT min(finished) FROM work WHERE finished > ?", (since,)).fetchone()
        return (again[0] or after[0] or since) - since

    def rerun(self) -> int:
        """Attempts that were sent because the one before had failed or was lost."""
        with closing(sqlite3.connect(self.layout.ledger)) as ledger:
            return int(ledger.execute(f"SELECT count(*) {TAKEN_OVER}").fetchone()[0])

    def held(self) -> set[tuple[str, str]]:
        """Device and name of each window's teacher or student that was sent and has not ended."""
        sent = self.sent().items()
        return {(device, name) for (role, name), (_, device) in sent if role in (Role.TEACHER, Role.STUDENT)}

    def sent(self) -> dict[Key, tuple[int, str]]:
        """Attempt and device of all work that was sent and has not ended."""
        if not self.layout.ledger.is_file():
            return {}
        with closing(Ledger(self.layout.ledger)) as ledger:
            return ledger.sent()

    def finishers(self) -> set[str]:
        """Every device whose outcome ended a window's teacher or student."""
        with closing(Ledger(self.layout.ledger)) as ledger:
            records = [*ledger.records(Role.TEACHER), *ledger.records(Role.STUDENT)]
        return {record.device for record in records if record.device is not None}

    def reaches(self, count: int) -> None:
        """Wait until that many windows have ended."""
        wait_for(lambda: self.ended() >= count or self.process.poll() is not None, f"{count} outcomes", within_s=90)
        assert self.process.poll() is None, (self.cwd / f"{self.run_id}.txt").read_text()[-1500:]

    def finish(self, within_s: float = 120.0) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(within_s)

    def resume(self) -> None:
        """Resume the run in a new process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process = self.lab.orchestrator(self.cwd, self.run_id, "resume", self.run_id, "--broker", self.lab.url)


class Lab:
    """Server, fleet and runs under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.redis = Redis.from_url(self.url, socket_timeout=15, retry=Retry(NoBackoff(), 0))
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.bars = write_bars(folder / "bars", SYMBOLS)
        self.server: subprocess.Popen[bytes]
        self.fleet: subprocess.Popen[bytes]
        self.injected: list[float] = []
        self.started: list[subprocess.Popen[bytes]] = []
        self.runs: list[Run] = []
        # A link to the data folder of the newest run, which is the one that the fleet serves.
        self.served = folder / "served"
        (folder / "none").mkdir()
        self.served.symlink_to(folder / "none")

    def note_injection(self) -> None:
        """Record the time of an injection (Unix time)."""
        self.injected.append(time.time())

    # Server.

    def start_server(self) -> None:
        """Start it, or start it again from its append-only file."""
        command = [
            sys.executable,
            "-m",
            "orchestrator.broker.broker_server",
            str(self.port),
            str(self.folder / "broker"),
        ]
        self.server = subprocess.Popen(command, env=self.environment(), stdout=subprocess.DEVNULL)
        self.started.append(self.server)
        wait_for(self._answers, "an answer of the server")

    def stop_server(self) -> None:
        """SIGTERM, as a service manager would."""
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    # Fleet.

    def start_fleet(self, devices: int = DEVICES) -> None:
        """Start workers, and wait until they are online."""
        path = os.pathsep.join(filter(None, [str(SPOILED), os.environ.get("PYTHONPATH")]))
        with (self.folder / "fleet.log").open("ab") as log:
            self.fleet = subprocess.Popen(
                [
                    sys.executable, "-m", "workers", "start", "--devices", f"cpu:{devices}x1", "--broker", self.url,
                    "--data-dir", str(self.served), "--source-dir", str(self.bars),
                ],
                env=self.environment() | {"PYTHONPATH": path}, stdout=log, stderr=log,
            )  # fmt: skip
        self.started.append(self.fleet)
        wait_for(lambda: len(self.present()) == devices, "the fleet")

    def spoil(self, fault: str) -> None:
        """Let every attempt at a window's teacher fail from now on; `fault` as in `spoiled/sitecustomize.py`."""
        (self.folder / "fault").write_text(fault)

    def stop_fleet(self) -> None:
        """SIGTERM: every worker drains."""
        self.fleet.send_signal(signal.SIGTERM)
        self.fleet.wait(60)

    def present(self) -> dict[str, Presence]:
        return read_presences(self.redis)

    def _served_folders(self) -> set[str]:
        return {each.folders.folder_id for each in self.present().values() if each.folders is not None}

    def busy(self) -> Presence:
        """A worker that holds windows of the newest run: by its ledger, as a window ends between two heartbeats."""

        def find() -> Presence | None:
            holders = {device for device, _ in self.runs[-1].held()}
            alive = [presence for presence in self.present().values() if psutil.pid_exists(presence.pid)]
            return next((each for each in alive if each.device.name in holders), None)

        return wait_for(find, "a busy worker")

    def child(self, worker: int) -> psutil.Process:
        """The pool child of a worker process."""

        def find() -> psutil.Process | None:
            for child in psutil.Process(worker).children():
                with suppress(psutil.NoSuchProcess):
                    if any("spawn_main" in word for word in child.cmdline()):
                        return child
            return None

        return wait_for(find, "a pool child")

    # Runs.

    def environment(self) -> dict[str, str]:
        return clean_environment() | {
            "TMPDIR": str(self.temporary),
            "CHAOS_LAB": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }

    def orchestrator(self, cwd: Path, run_id: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (cwd / f"{run_id}.txt").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments],
                cwd=cwd, env=self.environment(), stdout=output, stderr=output,
            )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *arguments: str, cwd: Path | None = None, run_id: str = "chaos") -> Run:
        """Start the run that every case does."""
        cwd = cwd or self.folder / f"run{len(self.runs) + 1}"
        cwd.mkdir(parents=True, exist_ok=True)
        self.served.unlink()
        self.served.symlink_to(cwd / "data")
        own = give_folder_id(cwd / "data")
        wait_for(lambda: self._served_folders() <= {own}, "heartbeats of its folder")
        process = self.orchestrator(
            cwd, run_id, "run", "--source", f"csv:{self.bars}", *SPAN, "--run-id", run_id,
            "--broker", self.url, "--no-local-workers", *arguments,
        )  # fmt: skip
        self.runs.append(Run(self, cwd, run_id, process))
        return self.runs[-1]

    def strangers(self) -> list[psutil.Process]:
        """Processes of this lab that are neither the server, nor the fleet's, nor a run's."""
        known = {os.getpid(), self.server.pid, self.fleet.pid}
        if self.fleet.poll() is None:
            known |= {child.pid for child in psutil.Process(self.fleet.pid).children(recursive=True)}
        return [process for process in processes_about(str(self.folder)) if process.pid not in known]


@contextmanager
def lab(
    folder: Path, fault: str | None = None, devices: int = DEVICES, kind: Callable[[Path], Lab] = Lab
) -> Iterator[Lab]:
    """A lab with server and, unless `devices` is 0, a fleet; everything it started is gone afterwards."""
    opened = kind(folder)
    opened.start_server()
    try:
        if fault:
            opened.spoil(fault)
        if devices:
            opened.start_fleet(devices)
        yield opened
    finally:
        for process in processes_about(str(folder)):
            process.kill()
        for started in opened.started:
            # The server writes its title over its environment, so the folder alone would not find it.
            started.kill()
            started.wait()
        opened.redis.close()
