"""Flower as `orchestrator flower` starts it: a real one, on a real fleet, asked through its HTTP API."""

import ast
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import Role
from tests.chaos.lab import SYMBOLS, Lab, Run, lab
from tests.conftest import clean_environment, command
from tests.ports import free_port
from tests.waiting import wait_for

LOGIN = "kavita:an-unguessed-one"
# An address that is not known to be this machine alone, though the system resolves it to 127.0.0.1.
PUBLIC = "127.1"
# A host may run other Celery programs, whose broker must not become this one's.
OTHER_PROGRAM = {"CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
BUCKETS = {"0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "120.0", "300.0", "600.0", "+Inf"}


@dataclass(frozen=True)
class Flower:
    """A running `orchestrator flower`: its process, address and output."""

    process: psutil.Popen
    port: int
    log: Path

    def get(self, path: str, login: str = LOGIN, token: str = "") -> tuple[int, bytes]:
        """Status and body of an answer; status 0 while nothing answers."""
        headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection, suppress(ConnectionError):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        return 0, b""

    def tasks(self, search: str = "") -> list[dict[str, Any]]:
        """Window tasks that Flower lists with their subject, with parsed kwargs."""
        status, body = self.get(f"/api/tasks?limit=10000&search={quote(search)}")
        assert status == 200, body
        found = [task for task in json.loads(body).values() if task["name"] in ("teacher.train", "student.train")]
        return [task | {"kwargs": ast.literal_eval(task["kwargs"])} for task in found]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two devices of one slot on a server of their own."""
    with lab(tmp_path_factory.mktemp("flower"), devices=2) as opened:
        yield opened


@contextmanager
def started_flower(fleet: Lab, *arguments: str) -> Iterator[Flower]:
    """A Flower on a port of its own."""
    port = free_port()
    log = fleet.folder / f"flower-{port}.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "orchestrator", "flower", "--port", str(port), *arguments],
            env=clean_environment() | OTHER_PROGRAM | {"GURUKUL_BROKER": fleet.url, "FLOWER_BASIC_AUTH": LOGIN},
            cwd=fleet.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    started = Flower(process, port, log)
    try:
        wait_for(lambda: started.get("/healthcheck")[0] == 200 or process.poll() is not None, "Flower")
        assert process.poll() is None, log.read_text()
        yield started
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def flower(fleet: Lab) -> Iterator[Flower]:
    """Flower, started after the workers."""
    with started_flower(fleet) as started:
        yield started


def kill_worker(fleet: Lab, name: str) -> None:
    """Kill a device's worker; returns when its supervisor has started another."""
    before = fleet.present()[name].pid
    psutil.Process(before).kill()
    wait_for(lambda: (found := fleet.present().get(name)) is not None and found.pid != before, "another worker")


def windows_of(run: Run) -> set[tuple[str, str]]:
    """(role, window) of all attempts in the ledger."""
    with closing(Ledger(run.layout.ledger)) as ledger:
        return {
            (r.role.value, r.name) for role in (Role.TEACHER, Role.STUDENT) for r in ledger.records(role) if r.attempt
        }


def test_tasks_are_seen_by_symbol_and_window_and_workers_by_device(fleet: Lab, flower: Flower) -> None:
    """Flower that came after the workers sees them and, within seconds, their tasks; also those of a worker that was
    started again after it; from then on, every window of a run, and which of them failed, with why and where."""
    first = fleet.run("--step-days", "56", run_id="first")
    devices = sorted(fleet.present())
    wait_for(flower.tasks, "a task that Flower knows")
    kill_worker(fleet, devices[0])
    reborn = fleet.present()[devices[0]].since.timestamp()
    assert first.finish() == 0, first.printed
    second = fleet.run("--step-days", "56", run_id="second")
    wait_for(
        lambda: any(task["worker"] == devices[0] and task["received"] > reborn for task in flower.tasks()),
        "a task on the worker that was started again",
    )
    assert second.finish() == 0, second.printed

    spoiled = "AAA_2023-06-01_to_2023-08-30"
    fleet.spoil(f"bug:{spoiled}")
    third = fleet.run("--step-days", "112", run_id="third")
    assert third.finish() == 0, third.printed

    def seen(search: str) -> set[tuple[str, str]]:
        tasks = flower.tasks(search)
        ended = [task for task in tasks if task["state"] in ("SUCCESS", "FAILURE", "SKIPPED")]
        return {(task["kwargs"]["role"], task["kwargs"]["window"]) for task in ended}

    sent = windows_of(third)
    wait_for(lambda: seen("kwargs:run=third") == sent, "every window of the third run")
    tasks = flower.tasks("kwargs:run=third")
    (failed,) = (task for task in tasks if task["state"] == "FAILURE")
    assert failed["kwargs"]["window"] == spoiled and failed["runtime"] > 0
    assert failed["result"] == failed["exception"] == "bug: as if a line were wrong"
    assert "ValueError: as if a line were wrong" in failed["traceback"]
    assert {task["kwargs"]["symbol"] for task in tasks} == set(SYMBOLS)
    assert all(task["kwargs"]["window"].startswith(f"{task['kwargs']['symbol']}_") for task in tasks)
    assert all(task["args"] == f"({task['kwargs']['window']})" for task in tasks)
    assert {task["worker"] for task in tasks} == set(devices)
    assert all(task["worker"] == task["kwargs"]["device"] for task in tasks)

    assert seen("kwargs:symbol=AAA kwargs:run=third") == {each for each in sent if each[1].startswith("AAA_")}
    status, workers = flower.get("/api/workers?refresh=1")
    assert (status, sorted(json.loads(workers))) == (200, devices)

    status, metrics = flower.get("/metrics", login="")
    text = metrics.decode()
    assert status == 200
    assert f'flower_worker_online{{worker="{devices[0]}"}} 1.0' in text
    buckets = re.findall(r'flower_task_runtime_seconds_bucket{le="([^"]+)",task="student.train"', text)
    assert set(buckets) == BUCKETS


def test_pages_and_api_ask_for_the_login_and_change_nothing(fleet: Lab, flower: Flower) -> None:
    """Without the login, 401; with it pages can be read and actions are refused; on loopback metrics are open."""
    for page in ("/workers", "/api/workers", "/api/tasks"):
        assert [flower.get(page, login)[0] for login in ("", "kavita:guess", LOGIN)] == [401, 401, 200]
    assert [flower.get(page, "")[0] for page in ("/metrics", "/healthcheck")] == [200, 200]
    device = next(iter(fleet.present()))
    with closing(HTTPConnection("127.0.0.1", flower.port, timeout=10)) as connection:
        login = base64.b64encode(LOGIN.encode()).decode()
        connection.request("POST", f"/api/worker/shutdown/{device}", headers={"Authorization": f"Basic {login}"})
        assert connection.getresponse().status == 403


def test_beyond_loopback_its_metrics_ask_for_the_token_or_the_login(fleet: Lab, tmp_path: Path) -> None:
    """The token opens nothing else, and stands in no command line; the health check stays open."""
    token = tmp_path / "token"
    token.write_text("a-long-one\n")
    token.chmod(0o600)
    with started_flower(fleet, "--address", PUBLIC, "--token-file", str(token)) as public:
        statuses = [public.get("/metrics", *given)[0] for given in (("",), ("", "another"), ("kavita:guess",))]
        assert statuses == [401, 401, 401]
        assert public.get("/metrics")[0] == public.get("/healthcheck", "")[0] == 200
        assert b"flower_" in public.get("/metrics", "", "a-long-one")[1]
        assert public.get("/api/workers", "", "a-long-one")[0] == 401
        assert "a-long-one" not in " ".join(public.process.cmdline())
    with started_flower(fleet, "--address", PUBLIC) as public:
        assert [public.get("/metrics", *given)[0] for given in (("",), ("", "None"), (LOGIN,))] == [401, 401, 200]


def test_it_listens_on_loopback_alone_and_its_command_line_has_no_secret(fleet: Lab, flower: Flower) -> None:
    """One socket on 127.0.0.1; broker and password are in its environment, which others on the host cannot read."""
    listening = [c.laddr for c in flower.process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", flower.port)]
    words = " ".join(flower.process.cmdline())
    assert "an-unguessed-one" not in words and str(fleet.port) not in words


def test_a_failed_start_is_one_line(fleet: Lab, flower: Flower, tmp_path: Path) -> None:
    """No broker, a silent one, a port in use, a malformed login, Flower not installed: each exits with 2."""
    silent = f"redis://:secret@127.0.0.1:{free_port()}/0"
    for arguments, message in (
        ((), "no broker"),
        (("--broker", silent), "does not answer"),
        (("--broker", fleet.url, "--port", str(flower.port)), f"127.0.0.1:{flower.port} (Address already in use)"),
    ):
        refused = command("flower", *arguments, cwd=tmp_path)
        assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr
        assert refused.stderr.count("\n") == 1 and "secret" not in refused.stderr + refused.stdout
    program = [sys.executable, "-m", "orchestrator", "flower", "--broker", fleet.url, "--port", str(free_port())]
    code = (
        "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'flower' else f(n, *a)"
    )
    (tmp_path / "sitecustomize.py").write_text(code)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    for variable, value, message in (
        ("FLOWER_BASIC_AUTH", "kavita", "not of the form USER:PASSWORD"),
        ("PYTHONPATH", path, "pip install 'gurukul[flower]'"),
    ):
        environment = clean_environment() | {variable: value}
        result = subprocess.run(program, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (result.returncode, message in result.stderr) == (2, True), result.stderr
        assert result.stderr.count("\n") == 1
