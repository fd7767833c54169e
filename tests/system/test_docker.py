"""Files that start a whole fleet: the Compose file and the Dockerfile are linted, the Procfile is run."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest
from redis import Redis
from redis.exceptions import RedisError
from ruamel.yaml import YAML

from orchestrator.broker import embedded
from schemas.redis.acl import ROLES
from schemas.redis.broker_file import read_broker_file
from schemas.redis.client import connect
from schemas.redis.presences import read_presences
from tests.conftest import SPAN, clean_environment, command, finished_run, processes_about, write_bars
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
COMPOSE, DOCKERFILE = ROOT / "docker" / "compose.yaml", ROOT / "docker" / "Dockerfile"
SECRET_FILES = ("GURUKUL_BROKER_FILE", "GURUKUL_KEY_FILE", "GURUKUL_METRICS_TOKEN_FILE")
PROGRAMMES = Path(sys.executable).parent
PATH = f"{PROGRAMMES}{os.pathsep}{os.environ['PATH']}"


@dataclass(frozen=True)
class Fleet:
    """A running `honcho start`: its process, its output, and the addresses of its broker and Flower."""

    process: psutil.Popen
    log: Path
    broker: str
    flower_port: int

    def devices(self) -> list[str]:
        """Live devices on the broker, none while it does not answer."""
        try:
            with Redis.from_url(self.broker) as redis:
                return list(read_presences(redis))
        except RedisError:
            return []

    def status(self, path: str, login: str = "") -> int:
        """Flower's status for a GET, 0 while it does not answer."""
        headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
        with closing(HTTPConnection("127.0.0.1", self.flower_port, timeout=5)) as connection:
            try:
                connection.request("GET", path, headers=headers)
                return connection.getresponse().status
            except ConnectionError:
                return 0


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def honcho(folder: Path, stop: signal.Signals, path: str = PATH) -> Iterator[Fleet]:
    """Run `honcho start` with ports and a folder; `stop` ends it, after which no process of it may run."""
    broker_port, flower_port = free_ports(2)
    settings = {
        "PATH": path,
        "GURUKUL_PORT": str(broker_port),
        "GURUKUL_DATA_DIR": str(folder),
        "GURUKUL_DEVICES": "cpu:1x1",
        "FLOWER_PORT": str(flower_port),
    }
    unset = {key: value for key, value in clean_environment().items() if not key.startswith("FLOWER_")}
    log = folder / "honcho.log"
    with log.open("wb") as output:
        process = psutil.Popen(
            [sys.executable, "-m", "honcho", "--env", os.devnull, "start"],
            cwd=ROOT,
            env=unset | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def running() -> list[psutil.Process]:
        # The server writes its title over its environment, so the folder alone would not find it.
        return [*processes_about(str(folder)), *processes_about(f"127.0.0.1:{broker_port}")]

    fleet = Fleet(process, log, f"redis://127.0.0.1:{broker_port}/0", flower_port)
    try:
        wait_for(lambda: fleet.devices() or process.poll() is not None, "a worker's heartbeat")
        wait_for(lambda: fleet.status("/healthcheck") == 200 or process.poll() is not None, "Flower")
        assert process.poll() is None, log.read_text()
        yield fleet
    finally:
        if process.poll() is None:
            process.send_signal(stop)
        try:
            process.wait(20)
            wait_for(lambda: not running(), "the end of all that honcho started", within_s=5)
        finally:
            for survivor in running():
                survivor.kill()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet for the tests that only read it or send it work."""
    with honcho(tmp_path_factory.mktemp("fleet"), signal.SIGTERM) as running:
        yield running


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the Compose file."""
    return dict(YAML(typ="safe").load(COMPOSE)["services"])


def test_the_procfile_runs_a_fleet_that_completes_a_run(fleet: Fleet, tmp_path: Path) -> None:
    """A run without workers of its own is computed by the Procfile's worker, over the Procfile's broker."""
    data_dir = str(fleet.log.parent)
    bars = write_bars(fleet.log.parent / "source", ("M&M",))
    run = finished_run(
        tmp_path, "--source", f"csv:{bars}", *SPAN, "--data-dir", data_dir, "--broker", fleet.broker,
        "--no-local-workers",
    )  # fmt: skip
    assert run.summary["windows"]["student"]["success"] > 0


def test_flower_requires_the_login_that_it_printed(fleet: Fleet) -> None:
    """With FLOWER_BASIC_AUTH unset a password is generated at each start; pages and API require it."""
    (login,) = re.findall(r"the login until Flower ends is (\S+)", fleet.log.read_text())
    assert len(login.partition(":")[2]) >= 16
    for page in ("/workers", "/api/workers"):
        assert fleet.status(page) == 401
        assert fleet.status(page, "gurukul:guess") == 401
        assert fleet.status(page, login) == 200


def test_the_procfile_listens_on_loopback_alone(fleet: Fleet) -> None:
    """Broker and Flower, and whatever else the fleet starts, bind 127.0.0.1."""
    connections = [c for process in fleet.process.children(recursive=True) for c in process.net_connections("inet")]
    listening = [connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN]
    assert len(listening) >= 2
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_the_broker_of_the_procfile_keeps_its_queues(fleet: Fleet) -> None:
    """Acknowledged writes are on disk within a second, and no key is evicted."""
    with Redis.from_url(fleet.broker) as redis:
        settings = redis.config_get("append*", "maxmemory-policy")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "everysec")
    assert settings["maxmemory-policy"] == "noeviction"
    assert list((fleet.log.parent / "broker").rglob("*.aof"))


@pytest.mark.parametrize("module", ["workers", "orchestrator.broker.flower_server", None])
def test_what_a_kill_ends_is_started_again_and_the_rest_goes_on(fleet: Fleet, module: str | None) -> None:
    """SIGKILL of `workers start`, of Flower, of the broker (None): only that process is another one afterwards."""

    def pids() -> dict[str | None, int]:
        found: dict[str | None, int] = {}
        for process in fleet.process.children(recursive=True):
            with suppress(psutil.Error):
                words = process.cmdline()
                if f"127.0.0.1:{fleet.broker.rpartition(':')[2].removesuffix('/0')}" in " ".join(words):
                    found[None] = process.pid
                elif "start" in words and any(word.endswith("/workers") for word in words):
                    found["workers"] = process.pid
                elif "orchestrator.broker.flower_server" in words:
                    found["orchestrator.broker.flower_server"] = process.pid
        return found

    def all_three() -> dict[str | None, int] | None:
        return found if len(found := pids()) == 3 else None

    before = wait_for(all_three, "broker, workers and Flower")
    psutil.Process(before[module]).kill()
    wait_for(lambda: (found := all_three()) and found[module] != before[module], "another process in its place")
    wait_for(lambda: fleet.devices() and fleet.status("/healthcheck") == 200, "a worker's heartbeat and Flower")
    assert fleet.process.poll() is None
    assert {name: pid for name, pid in pids().items() if name != module}.items() <= before.items()


def test_a_worker_waits_for_a_slow_broker_and_ctrl_c_ends_both(tmp_path: Path) -> None:
    """The start order of honcho's processes does not matter, nor whether SIGTERM or SIGINT ends them."""
    programmes = tmp_path / "programmes"
    programmes.mkdir()
    slow = programmes / "valkey-server"
    slow.write_text(f'#!/bin/sh\nsleep 2\nexec "{embedded.find_binary()}" "$@"\n')
    slow.chmod(0o755)
    with honcho(tmp_path, signal.SIGINT, f"{programmes}{os.pathsep}{PATH}") as fleet:
        assert fleet.devices()
    assert fleet.devices() == []


def test_a_worker_container_is_healthy_while_its_heartbeat_arrives(
    fleet: Fleet, redis: Redis, server: str, services: dict[str, Any]
) -> None:
    """The image's health check passes on the broker that the worker is on, and fails on an empty or dead one."""
    assert redis.dbsize() == 0 and "healthcheck" not in services["worker-cpu"]
    (check_of_image,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    words = json.loads(check_of_image)

    def check(url: str) -> int:
        return subprocess.run(words, cwd=ROOT, env=os.environ | {"PATH": PATH, "GURUKUL_BROKER": url}).returncode

    # A broker that a test before this one has killed may still wait for the worker to come back.
    wait_for(lambda: check(fleet.broker) == 0, "a healthy worker")
    assert check(server) == check("redis://127.0.0.1:1/0") == 3


def test_the_compose_file_follows_the_specification() -> None:
    """Every key and value is one that Compose knows."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    result = subprocess.run(check, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_publishes_what_a_person_looks_at_and_on_loopback(services: dict[str, Any]) -> None:
    """The broker and the metrics are reachable from the project's containers only; pages are published on this host."""
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(published) == ["flower", "dashboard", "prometheus", "grafana"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    without_profile = [name for name, service in services.items() if "profiles" not in service]
    assert without_profile == ["redis", "worker-cpu"]


def test_compose_pins_what_it_does_not_build(services: dict[str, Any]) -> None:
    """An image has a version, so that tomorrow's start runs what today's did."""
    images = [service["image"] for service in services.values() if "image" in service]
    assert len(images) == 3
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*", image) for image in images), images


def test_compose_has_no_password_of_its_own(services: dict[str, Any]) -> None:
    """Passwords of pages have no default, and those of the broker are files of one role each, in no environment."""
    environments = [service.get("environment", {}) for service in services.values()]
    secret = {name: value for each in environments for name, value in each.items() if re.search("PASSWORD|AUTH", name)}
    assert secret == {
        "FLOWER_BASIC_AUTH": None, "GURUKUL_DASHBOARD_PASSWORD": None, "GF_SECURITY_ADMIN_PASSWORD": None,
    }  # fmt: skip
    files = {each["GURUKUL_BROKER_FILE"] for each in environments if "GURUKUL_BROKER_FILE" in each}
    assert files == {f"/run/secrets/{role}" for role in ("worker", "orchestrator", "flower", "viewer")}
    assert services["redis"]["secrets"] == ["users.acl"]
    for name, service in services.items():
        given = service.get("environment", {})
        named = [Path(given[each]).name for each in SECRET_FILES if each in given]
        assert service.get("secrets", []) == named or name in ("redis", "prometheus")
        # Who only looks has no key: it could sign as a worker does.
        assert ("fleet.key" in named) is name.startswith(("worker", "orchestrator"))


def test_whoever_scrapes_metrics_gives_their_token(services: dict[str, Any]) -> None:
    """Prometheus has the token's file for each job, and may read it; the health check of `metrics` gives it, too."""
    assert services["prometheus"]["secrets"] == ["metrics.token"]
    made = services["acl"]["command"][-1]
    group = services["prometheus"]["user"].partition(":")[2]
    assert f":{group} " in made and "*.token" in made and "chmod 640 metrics.token" in made
    jobs = YAML(typ="safe").load(COMPOSE.parent / "monitoring" / "prometheus.yaml")["scrape_configs"]
    assert {job["authorization"]["credentials_file"] for job in jobs} == {"/run/secrets/metrics.token"}
    for name in ("metrics", "flower"):
        assert services[name]["environment"]["GURUKUL_METRICS_TOKEN_FILE"] == "/run/secrets/metrics.token"
    compile(services["metrics"]["healthcheck"]["test"][-1], "health check", "exec")


def test_what_is_built_runs_with_as_few_rights_as_it_can(services: dict[str, Any]) -> None:
    """Not root, no capability, no new privileges, a read-only root; the one that makes passwords has no network."""
    targets = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    built = {name: service for name, service in services.items() if "build" in service}
    assert {service["build"]["target"].replace("${GURUKUL_CUDA:-12}", "13") for service in built.values()} < {*targets}
    assert built.pop("acl")["network_mode"] == "none"
    for service in built.values():
        assert "user" not in service and service["read_only"] and service["init"]
        assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]


def test_the_composed_broker_begins_with_the_users_that_acl_writes(services: dict[str, Any], tmp_path: Path) -> None:
    """Each role logs in with the URL of its file; without a login a client may only PING, as the health check does."""
    (port,) = free_ports(1)
    secrets = tmp_path / "secrets"
    program, *words = (word.replace("/run/secrets", str(secrets)) for word in services["redis"]["command"])
    made = command("acl", "--write", str(secrets), "--url", f"redis://127.0.0.1:{port}/0", cwd=tmp_path)
    assert made.returncode == 0 and program == "redis-server"
    words = [embedded.find_binary(), *words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    with psutil.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            embedded.wait(f"redis://127.0.0.1:{port}/0")
            with Redis(port=port) as redis, pytest.raises(RedisError, match="permission"):
                redis.get("devices")
            for name in ROLES:
                with connect(read_broker_file(secrets / f"{name}.url")) as redis:
                    assert redis.ping()
            with connect(read_broker_file(secrets / "gurukul-orchestrator.url")) as redis:
                found: Any = redis.info()
            assert (found["aof_enabled"], found["maxmemory_policy"]) == (1, "noeviction")
        finally:
            process.terminate()


def test_grafana_does_not_start_with_its_own_default_password(services: dict[str, Any]) -> None:
    """Without a password its entrypoint ends with a hint; with one it goes on to start Grafana."""
    shell, flag, script = services["grafana"]["entrypoint"]
    script = script.replace("$$", "$").replace("exec /run.sh", "echo started")
    results = [
        subprocess.run([shell, flag, script], env=secret, capture_output=True, text=True)
        for secret in ({}, {"GF_SECURITY_ADMIN_PASSWORD": ""}, {"GF_SECURITY_ADMIN_PASSWORD": "x"})
    ]
    assert [result.returncode == 0 for result in results] == [False, False, True]
    assert all("set it to a password" in result.stderr for result in results[:2])
    assert results[2].stdout == "started\n"


def test_each_gpu_worker_has_one_gpu_and_a_name_of_its_own(services: dict[str, Any]) -> None:
    """No two containers share a GPU, and their device names differ by the hostname."""
    workers = [service for name, service in services.items() if name.startswith("worker-gpu")]
    reserved = [worker["deploy"]["resources"]["reservations"]["devices"] for worker in workers]
    assert [[device["device_ids"] for device in devices] for devices in reserved] == [[["0"]], [["1"]]]
    assert len({worker["hostname"] for worker in workers}) == len(workers)
    assert all(worker["profiles"] == ["gpu"] for worker in workers)


def test_the_dockerfile_passes_its_linter() -> None:
    """hadolint, with shellcheck on every RUN, finds nothing."""
    result = subprocess.run([PROGRAMMES / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
