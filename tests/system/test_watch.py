"""Following a run from another process: watch, tail, replay and validate, on real runs, logs and a real broker."""

import itertools
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.events.event_follower import EventFollower
from schemas.contract.event import EventType, TrainingEvent
from tests.conftest import Finished, clean_environment, command, finished_run, write_bars
from tests.cutting import CutLine
from tests.waiting import wait_for

QUARTER = ("--start-date", "2024-01-01", "--end-date", "2024-03-31", "--threshold", "0.005")


@pytest.fixture
def cwd(two_device_run: Finished, tmp_path: Path) -> Path:
    """A copy of the folder in which run `generated` has ended."""
    return shutil.copytree(two_device_run.cwd, tmp_path / "copy")


def log_of(cwd: Path, run_id: str = "generated") -> Path:
    """A run's event log."""
    return cwd / "data" / "analytics" / "training" / f"training_run_{run_id}.jsonl"


def test_a_connection_cut_twenty_times_receives_each_event_once(redis: Redis, server: str, tmp_path: Path) -> None:
    """A follower whose connection is cut twenty times during a run has received the log's events, line by line."""
    bars = write_bars(tmp_path / "bars", ("TCS",))
    received: list[TrainingEvent] = []

    def follow(url: str) -> None:
        ticks = itertools.count()
        follower = EventFollower("cut", None, url, clock=lambda: float(next(ticks)))
        while not received or received[-1].event_type is not EventType.RUN_END:
            received.extend(follower.poll(0.05))
        follower.close()

    with CutLine(server, cuts=20, most_bytes=1500) as line:
        listening = threading.Thread(target=follow, args=(line.url,), daemon=True)
        listening.start()
        run = finished_run(
            tmp_path, "--source", f"csv:{bars}", *QUARTER, "--broker", server, "--devices", "cpu:1x1", "--run-id", "cut"
        )
        listening.join(timeout=30)
        assert not listening.is_alive(), "run_end was not received"
        assert line.cuts == 20
    lines = (tmp_path / run.summary["paths"]["telemetry"]).read_text().splitlines()
    assert received == [TrainingEvent.model_validate_json(line) for line in lines]
    assert [event.seq for event in received] == list(range(1, len(lines) + 1))


def test_watching_goes_along_and_leaves_the_run_alone(tmp_path: Path) -> None:
    """In a pipe `watch` prints events until the end of the run; Ctrl-C ends `watch`, not the run."""
    bars = write_bars(tmp_path / "bars", ("TCS",))
    program = [sys.executable, "-m", "orchestrator"]
    run = subprocess.Popen(
        [*program, "run", "--source", f"csv:{bars}", *QUARTER, "--devices", "cpu:1x1", "--run-id", "seen"],
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: log_of(tmp_path, "seen").is_file(), "the event log")
    watches = [
        subprocess.Popen(
            [*program, "watch", "seen"], cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    leaving, staying = watches
    assert leaving.stdout is not None
    assert leaving.stdout.readline(), "it prints a line at once"
    leaving.send_signal(signal.SIGINT)
    assert "run seen goes on without this window" in leaving.communicate(timeout=30)[0]
    assert leaving.returncode == 0
    printed = staying.communicate(timeout=120)[0]
    assert run.wait(30) == 0
    assert staying.returncode == 0
    assert "device cpu0@" in printed
    assert "student_training: success" in printed
    assert "run seen  ready-for-review" in printed


def test_the_picture_of_a_run_is_its_ledger(cwd: Path, two_device_run: Finished) -> None:
    """`watch --once` shows as many windows trained and skipped as the summary counts, in 80 columns."""
    shown = command("watch", "generated", "--once", cwd=cwd)
    assert shown.returncode == 0, shown.stderr
    counts = two_device_run.summary["windows"]["student"]
    grid = [line for line in shown.stdout.splitlines() if line.startswith(("M&M", "BAJAJ-AUTO", "^GSPC"))]
    assert sum(line.count("■") for line in grid) == counts["success"]
    assert sum(line.count("─") for line in grid) == counts["skipped"]
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_a_killed_run_is_shown_as_interrupted(cwd: Path) -> None:
    """A log without an end and a run without a process are shown as interrupted, with the command that resumes it."""
    log = log_of(cwd)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-3]))
    with closing(sqlite3.connect(cwd / "data" / "models" / "generated" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE run SET value = 'running' WHERE key = 'status'")
    shown = command("watch", "generated", cwd=cwd)
    assert "run generated  interrupted" in shown.stdout
    assert "to continue: orchestrator resume generated" in shown.stdout


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """A run that neither a folder nor a broker knows is an error that names the places searched."""
    result = command("watch", "unknown", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "orchestrator: there is no run unknown under data/models; `orchestrator runs` lists the runs"
    ]


def test_a_log_is_checked_line_by_line(cwd: Path) -> None:
    """The log of a run has no fault; a missing line, one of another run and a malformed one are each named."""
    log = log_of(cwd)
    assert command("telemetry", "validate", str(log), cwd=cwd).stdout.endswith("lines, no faults\n")
    lines = log.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace('"run_id":"generated"', '"run_id":"other"')
    lines[6] = lines[6].replace('"status":"', '"status":"un')
    log.write_text("".join(lines[:2] + lines[3:]) + '{"run_id"')
    result = command("telemetry", "validate", str(log), cwd=cwd)
    assert result.returncode == 2
    assert "line 3: seq 4 follows 2" in result.stdout
    assert "line 4: of run other, the first is of generated" in result.stdout
    assert "line 6: status: Input should be" in result.stdout
    assert f"line {len(lines)}: cut off" in result.stdout


def test_tail_prints_the_last_events(cwd: Path) -> None:
    """`tail --json` prints the log's own last objects; for a finished run it ends at once."""
    result = command("telemetry", "tail", "generated", "--last", "3", "--json", cwd=cwd)
    expected = [json.loads(line) for line in log_of(cwd).read_text().splitlines()]
    worth = [event for event in expected if event["event_type"] != "device_heartbeat" or event["message"]]
    assert [json.loads(line) for line in result.stdout.splitlines()] == worth[-3:]


def test_a_log_plays_again_for_any_viewer(redis: Redis, server: str, cwd: Path, tmp_path: Path) -> None:
    """A run that is on no disk and replayed on a broker can be watched there, with the same picture."""
    log, elsewhere = log_of(cwd), tmp_path / "elsewhere"
    elsewhere.mkdir()
    played = command(
        "telemetry", "play", str(log), "--speed", "0", "--broker", server, "--run-id", "again", cwd=elsewhere
    )
    assert played.returncode == 0, played.stderr
    there = command("watch", "again", "--once", "--broker", server, cwd=elsewhere).stdout
    here = command("watch", "generated", "--once", cwd=cwd).stdout

    def cells(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("M&M", "BAJAJ-AUTO", "^GSPC"))]

    assert cells(there) == cells(here) != []
    again = command("telemetry", "play", str(log), "--broker", server, "--run-id", "again", cwd=elsewhere)
    assert "run again is on that broker already; give another --run-id" in again.stderr


def test_a_log_plays_again_in_a_terminal(cwd: Path) -> None:
    """`replay` alone shows the run as `run` did, phase by phase."""
    shown = command("telemetry", "play", str(log_of(cwd)), "--speed", "0", cwd=cwd).stdout
    assert "teacher_training: success" in shown
    assert "run generated  ready-for-review" in shown
