"""Shared fixtures: a real server, a real fleet, generated bars, one finished run, and the programs themselves.

A server and a fleet are started once per pytest process; the bars and the finished run are made once per test run,
whatever the number of pytest-xdist workers. Tests that change the finished run work on a copy.
"""

import fcntl
import gc
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
import pytest
import typer.main
import typer.testing
from hypothesis import settings
from redis import Redis
from typer.testing import CliRunner, Result

from orchestrator.broker import embedded
from orchestrator.cli import cli
from orchestrator.runs import worker_process
from schemas.contract.plugin_source import PLUGINS_ENV
from schemas.redis.acl import ROLES
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from tests.strategies import examples
from tests.waiting import wait_for
from workers.cli import cli as workers_cli

SYMBOLS = ("M&M", "BAJAJ-AUTO", "^GSPC")
FIRST_BAR, LAST_BAR = date(2022, 6, 1), date(2024, 12, 31)
SPAN = ("--start-date", "2023-06-01", "--end-date", "2024-09-30", "--window-days", "120", "--step-days", "120")

ROOT = Path(__file__).parents[1]

# Of generated inputs whose test states no count of its own.
settings.register_profile("tests", parent=examples(100))
settings.load_profile("tests")

# Typer builds a program's tree of commands in each call, which takes 20 ms.
patch.object(typer.testing, "_get_command", cache(typer.main.get_command)).start()

# Tests below these folders start workers, browsers or servers of their own; `make check` leaves them out.
BROWSER_FOLDER = ROOT / "tests/orchestrator/dashboard"
FLEET_FOLDERS = (ROOT / "tests/system", BROWSER_FOLDER)
FLEET_FIXTURES = {"fleet", "two_device_run"}


# Imports leave almost no garbage, but the collector would walk all that they create, again and again.
@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collect no garbage while tests are imported."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage again, but leave out all that was imported."""
    gc.freeze()
    gc.enable()


# Before pytest-xdist's own hook, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that starts a fleet, by its folder or by its fixtures; those come first, as the longest.

    With `--dist loadgroup` tests are spread one by one, except those that share what is made once per module, a browser
    or the fleet: each group goes to one process, so that nothing is made four times.
    """
    for item in items:
        in_folder = any(item.path.is_relative_to(folder) for folder in FLEET_FOLDERS)
        if in_folder or FLEET_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.fleet)
        if item.path.is_relative_to(BROWSER_FOLDER):
            item.add_marker(pytest.mark.xdist_group("browser"))
        elif "fleet" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("fleet"))
        elif shares_a_module_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))
    items.sort(key=lambda item: item.get_closest_marker("fleet") is None)


def shares_a_module_fixture(item: pytest.Item) -> bool:
    """Whether a test uses a fixture that is made once per module."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
    return any(each.scope == "module" for found in definitions for each in found)


@contextmanager
def once_per_test_run(temporary: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that all pytest-xdist workers share, and whether this worker is the first and must fill it.

    The others wait until the first has left the `with` block; if it failed there, the next one fills the folder.
    """
    base = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    with (base / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = base / f"{name}.done"
        if done.exists():
            yield base / name, False
            return
        folder = base / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder, True
        done.touch()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a real Redis-protocol server."""
    with embedded.server() as url:
        yield url


@pytest.fixture
def redis(server: str) -> Iterator[Redis]:
    """A client of the server, which is empty before and after."""
    with Redis.from_url(server) as client:
        client.flushall()
        yield client
        client.flushall()


def write_bars(
    folder: Path, symbols: tuple[str, ...] = SYMBOLS, first: date = FIRST_BAR, last: date = LAST_BAR
) -> Path:
    """Random walks on weekdays, one seed per symbol, as `SYMBOL/1day/*.csv`."""
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    days = [day for day in days if day.weekday() < 5]
    for seed, symbol in enumerate(symbols):
        rng = np.random.default_rng(seed)
        close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.018, len(days))))
        opening = close * np.exp(rng.normal(0, 0.004, len(days)))
        high = np.maximum(opening, close) * (1 + rng.uniform(0, 0.01, len(days)))
        low = np.minimum(opening, close) * (1 - rng.uniform(0, 0.01, len(days)))
        volume = rng.integers(10_000, 90_000, len(days))
        rows = zip(days, opening, high, low, close, volume, strict=True)
        lines = [f"{d}T00:00:00+05:30,{o:.2f},{h:.2f},{lo:.2f},{c:.2f},{v}" for d, o, h, lo, c, v in rows]
        path = folder / symbol / "1day" / "bars.csv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return folder


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated daily bars of three symbols."""
    with once_per_test_run(tmp_path_factory, "bars") as (folder, first):
        return write_bars(folder) if first else folder


class SharedFleet(tuple[str, str, str]):
    """Flags that send a run's work to the fleet of all tests, and its link to the data folder that it serves.

    `orchestrator` is the broker's URL of a user with an orchestrator's rights. The workers have those of workers.
    """

    link: Path
    orchestrator: str

    def serve(self, data_dir: Path) -> None:
        """Make it work under `data_dir`, which need not exist yet."""
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(data_dir)
        with Redis.from_url(self[1]) as redis:

            def serves() -> bool:
                found = [each.folders for each in read_presences(redis).values()]
                return any(each is not None and each.data_dir == os.path.realpath(data_dir) for each in found)

            wait_for(serves, "the shared fleet under another data folder")


def with_role(redis: Redis, name: str) -> str:
    """URL of a new user with the rights of a role, on a client's server and database."""
    made: Any = redis
    options = made.connection_pool.connection_kwargs
    database = options.get("db", 0)
    made.execute_command("ACL", "SETUSER", name, "reset", "on", ">pw", *ROLES[name].rules(database))
    return f"redis://{name}:pw@{options['host']}:{options['port']}/{database}"


@pytest.fixture(scope="session")
def running_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedFleet]:
    """A fleet of one device and two slots, on a server of its own, that may read what any test stores."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "data").symlink_to(tmp_path_factory.mktemp("unused"))
    sources = str(folder.parent.parent)
    with embedded.server() as url, (folder / "fleet.log").open("wb") as log, Redis.from_url(url) as redis:
        users = {name: with_role(redis, name) for name in ("gurukul-worker", "gurukul-orchestrator")}
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "start", "--devices", "cpu:1x2", "--source-dir", sources],
            cwd=folder,
            env=clean_environment()
            | {BROKER_ENV: users["gurukul-worker"], "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"},
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(lambda: read_presences(redis), "the shared fleet")
            fleet = SharedFleet(("--broker", url, "--no-local-workers"))
            fleet.link, fleet.orchestrator = folder / "data", users["gurukul-orchestrator"]
            yield fleet
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def fleet(running_fleet: SharedFleet, request: pytest.FixtureRequest) -> SharedFleet:
    """The shared fleet, which serves the folder `data` of the test's `cwd`, or else of its `tmp_path`."""
    place = "cwd" if "cwd" in request.fixturenames else "tmp_path"
    running_fleet.serve(request.getfixturevalue(place) / "data")
    return running_fleet


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of all that tests start: no test enters trials in the ledger of the user who runs it."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("state")
        patched.setenv("XDG_STATE_HOME", str(folder))
        yield folder


def state_of(cwd: Path) -> dict[str, str]:
    """A variable that gives the tests of one folder a ledger of trials of their own."""
    return {"XDG_STATE_HOME": str(Path(os.environ["XDG_STATE_HOME"]) / hashlib.sha256(os.fsencode(cwd)).hexdigest())}


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the project."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GURUKUL_")}


@dataclass(frozen=True)
class Completed:
    """Output and exit code of a command."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str, cwd: Path) -> Completed:
    """Run `orchestrator ...` in this process: for commands that end without a signal and start no workers.

    What it asks of the workers' plane is answered in this process, too, by the same text on stdin and stdout. That the
    answers come from a process of their own is shown by tests that use `orchestrator`.
    """
    unset: dict[str, str | None] = {key: None for key in os.environ if key.startswith("GURUKUL_")}
    with chdir(cwd), patch.object(worker_process, "subprocess", SimpleNamespace(run=_answer_here)):
        result = CliRunner().invoke(cli, arguments, env=unset | state_of(cwd), prog_name="orchestrator")
    return _completed(result)


def _answer_here(arguments: list[str], *, input: str, env: dict[str, str], **_: Any) -> Completed:
    plugins, limits = {PLUGINS_ENV: env.get(PLUGINS_ENV)}, resource.getrlimit(resource.RLIMIT_AS)
    try:
        with patch("workers.cli.end_with"):  # this process does not end with the one that asks
            done = CliRunner().invoke(workers_cli, arguments[-1:], input=input, env=plugins, prog_name="workers")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)  # a gate limits its process
    return _completed(done)


@pytest.fixture
def workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process asks of the workers' plane is answered in this process, as by `command`."""
    monkeypatch.setattr(worker_process, "subprocess", SimpleNamespace(run=_answer_here))


def _completed(result: Result) -> Completed:
    """What a program in this process printed; raises what it did not catch, which users would see as a traceback."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Completed(result.exit_code, result.stdout, result.stderr)


def orchestrator(*arguments: str, cwd: Path) -> Completed:
    """Run `orchestrator ...` in a new process, to its end."""
    result = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=cwd,
        env=clean_environment() | state_of(cwd),
        capture_output=True,
        text=True,
        timeout=240,
    )
    return Completed(result.returncode, result.stdout, result.stderr)


@dataclass(frozen=True)
class Finished:
    """A finished run: the folder in which it was started and the object that it printed."""

    cwd: Path
    summary: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.cwd / str(self.summary["paths"]["run"])

    @property
    def audit(self) -> Path:
        return self.cwd / str(self.summary["paths"]["audit"])


def finished_run(cwd: Path, *arguments: str) -> Finished:
    """Run `orchestrator run --json ...`; fails the test with all that was printed unless it exits 0.

    A run on a running fleet runs in this process; one that starts its own workers gets a new process.
    """
    program = command if "--no-local-workers" in arguments else orchestrator
    result = program("run", "--json", *arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr + result.stdout
    return Finished(cwd, json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def two_device_run(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole run on generated bars, two devices and the embedded broker; tests only read it or copy its folder."""
    with once_per_test_run(tmp_path_factory, "two") as (cwd, first):
        printed = cwd / "summary.json"
        if first:
            run = finished_run(cwd, "--source", f"csv:{bars}", *SPAN, "--devices", "cpu:2x1", "--run-id", "generated")
            printed.write_text(json.dumps(run.summary))
        return Finished(cwd, json.loads(printed.read_text()))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under `folder` by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def processes_about(text: str) -> list[psutil.Process]:
    """Running processes with `text` in their command line or environment, this one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join([*process.cmdline(), *process.environ().values()])
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if text in words and process.pid != os.getpid() and not is_zombie:
            found.append(process)
    return found
