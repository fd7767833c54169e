"""A stopped run can be resumed, its artifacts are those of an undisturbed run, and no process is left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import Role
from schemas.files.layout import RunLayout
from tests.conftest import SPAN, Finished, clean_environment, command, orchestrator, processes_about, tree
from tests.waiting import wait_for


@contextmanager
def started(cwd: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`orchestrator ARGUMENTS`, once it has stored two students' windows; stopped at the end of the block."""
    windows = cwd / "data" / "models" / "generated" / "windows"
    before = len(list(windows.glob("*/student")))
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=cwd, env=clean_environment() | {"MARK": str(cwd)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for(lambda: len(list(windows.glob("*/student"))) >= before + 2, "a second student", within_s=90)
        yield process
    finally:
        process.kill()
        process.communicate()


def begun(cwd: Path, bars: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """The run of `two_device_run` on one device, once it has stored some windows; stopped at the end of the block."""
    source = ("--source", f"csv:{bars}", *SPAN)
    return started(cwd, "run", *source, "--devices", "cpu:1x1", "--run-id", "generated")


def ended(cwd: Path, role: Role) -> dict[str, int]:
    """Label -> attempts of the work of a role that has ended."""
    ledger = Ledger(RunLayout.under(cwd / "data", "generated").ledger)
    records = list(ledger.records(role))
    ledger.close()
    return {record.name: record.attempt for record in records if record.status is not None}


def resume_and_compare(cwd: Path, calm: Finished) -> None:
    """Resume from another working folder, in which nothing may be left."""
    before = {role: ended(cwd, role) for role in (Role.TEACHER, Role.STUDENT)}
    assert 0 < len(before[Role.TEACHER]) < 15 or len(before[Role.STUDENT]) < 15
    elsewhere = cwd / "elsewhere"
    elsewhere.mkdir()
    result = orchestrator("resume", "generated", "--json", "--data-dir", str(cwd / "data"), cwd=elsewhere)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["status"] == "ready-for-review"
    after = {role: ended(cwd, role) for role in before}
    for role, attempts in before.items():
        assert {label: after[role][label] for label in attempts} == attempts, "what had ended was done again"
    assert not tree(elsewhere)
    folder = cwd / "data" / "models" / "generated"
    assert tree(folder / "windows") == tree(calm.folder / "windows")
    assert (folder / "statistics.json").read_bytes() == (calm.folder / "statistics.json").read_bytes()


def test_a_run_survives_ctrl_c_and_then_kill_9(bars: Path, two_device_run: Finished, tmp_path: Path) -> None:
    """SIGINT gives exit code 130, prints the resume command and logs `run_end`; SIGKILL then ends the resumed run.

    Each leaves no process, server or worker. The second `resume` finishes with the calm run's bytes, trains only what
    is missing, and numbers the log's events in a row. While the run goes on, a `resume` of it is refused and names the
    process that owns the run.
    """
    log = tmp_path / "data/analytics/training/training_run_generated.jsonl"
    with begun(tmp_path, bars) as process:
        os.kill(process.pid, signal.SIGSTOP)
        refused = command("resume", "generated", cwd=tmp_path)
        assert refused.returncode == 2
        assert f"process {process.pid}" in refused.stderr
        os.kill(process.pid, signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "orchestrator resume generated" in out
        assert "Traceback" not in out + err
        assert json.loads(log.read_text().splitlines()[-1])["event_type"] == "run_end"
        wait_for(lambda: not processes_about(str(tmp_path)), "the end of every process of the run")
    with started(tmp_path, "resume", "generated") as process:
        process.kill()
        process.wait()
        wait_for(lambda: not processes_about(str(tmp_path)), "the end of every process of the resumed run")
    resume_and_compare(tmp_path, two_device_run)
    numbers = [json.loads(line)["seq"] for line in log.read_text().splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_what_a_run_started_for_itself_is_started_again(bars: Path, two_device_run: Finished, tmp_path: Path) -> None:
    """SIGKILL of the run's embedded server, then of its worker, then of its `workers start`: each is started again.

    No window is lost, the bytes are those of a calm run, no process is left. `make chaos` injects faults one by one.
    """
    with begun(tmp_path, bars) as process:
        family = psutil.Process(process.pid)

        def member(found: Callable[[psutil.Process], bool]) -> psutil.Process | None:
            for each in family.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if found(each):
                        return each
            return None

        def replaced(found: Callable[[psutil.Process], bool], victim: psutil.Process) -> bool:
            return member(found) not in (None, victim) or process.poll() is not None

        members: dict[str, Callable[[psutil.Process], bool]] = {
            "server": lambda each: each.name().startswith(("valkey", "redis")),
            "worker": lambda each: "workers.celery" in each.cmdline(),
            "workers start": lambda each: {"workers", "start"} <= set(each.cmdline()),
        }
        for what, found in members.items():
            victim = wait_for(partial(member, found), f"the {what} of the run")
            victim.kill()
            wait_for(partial(replaced, found, victim), f"another {what}")
            assert process.poll() is None, f"the run ended before its {what} was started again"
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        windows = tmp_path / "data" / "models" / "generated" / "windows"
        assert tree(windows) == tree(two_device_run.folder / "windows")
        wait_for(lambda: not processes_about(str(tmp_path)), "the end of every process of the run")
