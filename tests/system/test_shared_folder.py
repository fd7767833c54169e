"""Hosts that share a folder, or seem to: the folder decides, not its path."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from schemas.contract.check import CheckState
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from tests.conftest import clean_environment, command, write_bars
from tests.waiting import wait_for

OWN = ("unshare", "-rmu", "sh", "-c")
IS_PERMITTED = subprocess.run([*OWN, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


@contextmanager
def worker(host: str, mount: str, cwd: Path, url: str, bars: Path) -> Iterator[None]:
    """The worker of a host with a name and a mount of its own, started in a folder as that host sees it."""
    words = [sys.executable, "-m", "workers", "start", "--devices", "cpu:1x1", "--source-dir", str(bars)]
    enter = f'hostname {host} && mount {mount} && cd "$0" && exec "$@"'
    with (bars / f"{host}.log").open("wb") as log:
        process = subprocess.Popen(
            [*OWN, enter, str(cwd), *words], env=clean_environment() | {BROKER_ENV: url}, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.skipif(not IS_PERMITTED, reason="this process may not make namespaces")
def test_a_shared_folder_is_known_by_what_it_is_not_by_its_path(tmp_path: Path, redis: Redis, server: str) -> None:
    """Beta has the path of the run's data folder and another disk there: no work. Gamma has the folder itself at
    another path: all of it."""
    project, elsewhere, bars = (tmp_path / name for name in ("project", "elsewhere", "bars"))
    (project / "data").mkdir(parents=True)
    elsewhere.mkdir()
    write_bars(bars, symbols=("TCS",))
    with ExitStack() as stack:
        stack.enter_context(worker("beta", f"-t tmpfs none {project}/data", project, server, bars))
        stack.enter_context(worker("gamma", f"--bind {project} {elsewhere}", elsewhere, server, bars))
        wait_for(lambda: len(read_presences(redis)) == 2, "both workers")
        broker = ("--broker", server)
        done = command("ingest", "--source", f"csv:{bars}", *broker, "--no-local-workers", cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "cpu0@beta gets no work" in done.stderr + done.stdout
        wait_for(lambda: read_presences(redis)["cpu0@gamma"].distance_s, "a second heartbeat")
        found = json.loads(command("doctor", "--json", *broker, cwd=project).stdout)["checks"]

    def said(name: str) -> str:
        return " ".join(f"{each['state']}: {each['text']}" for each in found if each["name"] == name)

    assert (project / "data/bars/1day/TCS.parquet").is_file()
    assert CheckState.FAULT not in said("cpu0@gamma"), "a busy host may earn a note"
    assert "is another folder on its host" in said("cpu0@beta")
