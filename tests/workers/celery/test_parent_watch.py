"""A worker ends with its supervisor, whenever the supervisor ends."""

import subprocess
import sys
from pathlib import Path

import psutil

from schemas.contract.process import still_runs
from schemas.redis.client import BROKER_ENV
from tests.conftest import clean_environment
from tests.waiting import wait_for
from workers.devices.pinning import PARENT_ENV

CHILD = "from workers.celery.parent_watch import watch_parent; watch_parent(); import time; time.sleep(60)"


def test_a_parent_that_ended_before_the_watch_began_is_noticed() -> None:
    """A process whose PARENT_ENV names a process that is gone ends at once: its own parent id shows only init."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = clean_environment() | {PARENT_ENV: str(gone.pid)}
    ended = subprocess.run([sys.executable, "-c", CHILD], env=environment, timeout=30)
    assert ended.returncode == 1


def test_a_question_ends_with_the_process_that_asks(tmp_path: Path) -> None:
    """SIGKILL of the asker leaves no process that runs a plug-in which hangs."""
    (tmp_path / "hangs.py").write_text("import time\nopen('begun', 'w').close()\ntime.sleep(60)\n")
    code = "from orchestrator.runs.plugins import ask_about; ask_about((), ('hangs.py',))"
    with psutil.Popen([sys.executable, "-c", code], cwd=tmp_path, env=clean_environment()) as asker:
        wait_for((tmp_path / "begun").exists, "the plug-in")
        (process,) = asker.children()
        asker.kill()
    wait_for(lambda: not still_runs(process.pid), "the end of the process")


def test_a_supervisor_that_is_killed_at_once_leaves_no_worker(server: str) -> None:
    """SIGKILL of `workers start` as soon as its first worker exists: the worker has imported nothing yet, and ends."""
    environment = clean_environment() | {BROKER_ENV: server}
    supervisor = psutil.Popen(
        [sys.executable, "-P", "-m", "workers", "start", "--devices", "cpu:1x1"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(supervisor.children, "the first worker")
    (worker,) = supervisor.children()
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the end of the worker")
