"""A working folder may hold files with the names of our modules, and of any other: no command imports one of them."""

import os
import subprocess
import sys
import urllib.request
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from redis import Redis

from schemas.redis.presences import read_presences
from tests.conftest import SPAN, clean_environment, write_bars
from tests.ports import free_port
from tests.waiting import wait_for

SCRIPTS = Path(sys.executable).parent
OURS = ("orchestrator", "workers", "schemas")
MARKER = "imported.txt"
TRAP = f"""
import os
with open({MARKER!r}, "a") as marker:
    marker.write(f"{{__name__}} by {{os.getpid()}}\\n")
raise ImportError(f"{{__name__}} of the working folder was imported")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which every importable top-level name is a file, or a package, that leaves a mark."""
    cwd = tmp_path_factory.mktemp("own")
    installed = {name for name in packages_distributions() if name.isidentifier()}
    names = installed | sys.stdlib_module_names | {"celeryconfig", "flowerconfig", "sitecustomize", "usercustomize"}
    for name in names - set(OURS):
        (cwd / f"{name}.py").write_text(TRAP)
    for name in OURS:
        (cwd / name).mkdir()
        (cwd / name / "__init__.py").write_text(TRAP)
        (cwd / name / "__main__.py").write_text(TRAP)
    write_bars(cwd / "bars", symbols=("TCS",))
    return cwd


def run(cwd: Path, program: str, *arguments: str) -> str:
    """What a command prints; fails the test if it does not exit with 0 or has imported a file of its folder."""
    result = subprocess.run(
        [SCRIPTS / program, *arguments], cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=240
    )
    marker = cwd / MARKER
    assert not marker.exists(), marker.read_text()
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_whole_run_imports_nothing_from_its_folder(folder: Path) -> None:
    """Preflight, local workers, their pool children and the orchestrator of a run: none imports a module from there."""
    source = ("--source", "csv:bars", *SPAN)
    assert "TCS" in run(folder, "orchestrator", "plan", *source)
    run(folder, "orchestrator", "run", *source, "--devices", "cpu:1x1", "--run-id", "own", "--json")
    assert "own" in run(folder, "orchestrator", "runs")
    run(folder, "orchestrator", "verify", "own")


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("workers", ["start", "--help"]), ("orchestrator", ["--help"]), ("gurukul", ["workers", "start", "--help"])],
)
def test_help_imports_nothing_from_its_folder(folder: Path, program: str, arguments: list[str]) -> None:
    run(folder, program, *arguments)


def test_a_shared_fleet_imports_nothing_from_its_folder(folder: Path, server: str, redis: Redis) -> None:
    """`workers start` on a broker of its own, and `orchestrator fleet`, which lists it."""
    fleet = subprocess.Popen(
        [SCRIPTS / "workers", "start", "--devices", "cpu:1x1", "--broker", server],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: read_presences(redis), "the device's presence")
        assert "cpu0@" in run(folder, "orchestrator", "fleet", "--broker", server)
    finally:
        fleet.terminate()
        fleet.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(("command", "path"), [("flower", "/healthcheck"), ("dashboard", "/health")])
def test_a_page_imports_nothing_from_its_folder(folder: Path, server: str, command: str, path: str) -> None:
    """Flower becomes a process of another program, which reads configuration files; the dashboard serves pages."""
    port = free_port()
    process = subprocess.Popen(
        [SCRIPTS / "orchestrator", command, "--broker", server, "--port", str(port)],
        cwd=folder,
        env=clean_environment() | {"FLOWER_BASIC_AUTH": "kavita:an-unguessed-one"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}{path}"
        wait_for(lambda: process.poll() is not None or answers(url), f"an answer of {command}")
        assert process.poll() is None, f"{command} ended with {process.returncode}"
    finally:
        process.terminate()
        process.wait(30)
    marker = folder / MARKER
    assert not marker.exists(), marker.read_text()


def test_the_trap_works(folder: Path) -> None:
    """A plain `python -m workers` there does import the folder's package: so the other tests can fail."""
    environment = clean_environment()
    environment.pop("PYTHONSAFEPATH", None)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "workers", "--help"], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert result.returncode != os.EX_OK
        assert (folder / MARKER).exists()
    finally:
        (folder / MARKER).unlink(missing_ok=True)
