"""Reading a run without changing it: read-only ledgers, and event logs of which each line is read once."""

import json
import os
import platform
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from orchestrator.exporter.metrics import SHOWN_S, Runs
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import EventLog, read_snapshot
from orchestrator.ledger.migrations import NAMES_STORED
from orchestrator.ledger.run_lock import is_held
from orchestrator.ledger.run_status import Owner, current_owner
from schemas.contract.run import Phase, RunStatus
from schemas.contract.task import Outcome, Role, Status
from schemas.files.layout import RunLayout


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The ledger of a run of two windows, one of which was trained in 0.25 s and one of which waits."""
    path = tmp_path / "models" / "r" / "ledger.db"
    path.parent.mkdir(parents=True)
    with closing(Ledger.create(path)) as ledger:
        ledger.begin_phase(Phase.TEACHER_TRAINING)
        ledger.add(Role.TEACHER, ["A", "B"])
        attempt = ledger.send(Role.TEACHER, "A", "cpu0@here")
        ledger.record(
            Outcome(
                run_id="r", role=Role.TEACHER, name="A", attempt=attempt, device="cpu0@here", status=Status.SUCCESS,
                duration_seconds=0.25,
            )
        )  # fmt: skip
        ledger.set(status=RunStatus.RUNNING)
        ledger.take(current_owner())
    return path


def test_a_ledger_is_read_while_its_run_writes(path: Path) -> None:
    """A reader sees the last whole transaction, waits for no writer and blocks none; the run's lock stays free."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE work SET status = 'failed' WHERE name = 'A'")
        assert read_snapshot(path).work == {("teacher", "success"): 1, ("teacher", "pending"): 1}
        writer.execute("COMMIT")
        assert read_snapshot(path).work == {("teacher", "failed"): 1, ("teacher", "pending"): 1}
    assert not is_held(RunLayout(path.parent))


def test_reading_a_ledger_without_a_writer_leaves_nothing_behind(path: Path) -> None:
    """Reading creates no file, not even those of a write-ahead log."""
    before = path.read_bytes()
    snapshot = read_snapshot(path)
    assert (snapshot.durations["teacher"].count, snapshot.durations["teacher"].sum_s) == (1, 0.25)
    assert snapshot.durations["teacher"].buckets == (0, *[1] * 11)
    assert list(path.parent.iterdir()) == [path] and path.read_bytes() == before


def test_a_run_whose_process_is_gone_is_interrupted(path: Path) -> None:
    """A killed run has recorded no end. A process on another host cannot be checked, and counts as running."""
    assert read_snapshot(path).condition.status is RunStatus.RUNNING
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    for host, status in ((platform.node(), RunStatus.INTERRUPTED), ("elsewhere", RunStatus.RUNNING)):
        with closing(Ledger(path)) as ledger:
            ledger.take(Owner(ended.pid, host))
        assert read_snapshot(path).condition.status is status
        with closing(Ledger(path, read_only=True)) as ledger:
            assert ledger.condition().status is status


def test_a_newer_ledger_is_refused(path: Path) -> None:
    """A reader names the version that it cannot read."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {NAMES_STORED + 1}")
    with pytest.raises(sqlite3.DatabaseError, match=f"version {NAMES_STORED + 1}"):
        read_snapshot(path)


def test_a_log_is_read_on_and_its_gaps_are_counted(tmp_path: Path) -> None:
    """A line counts once, when it is complete; missing numbers are counted as lost; no line is read again."""
    log = EventLog(tmp_path / "log.jsonl")
    log.read_on()
    assert not log.is_there

    def line(seq: int) -> str:
        return json.dumps({"event_type": "x", "seq": seq}) + "\n"

    log.path.write_text(line(1) + line(2) + line(4)[:-5])
    log.read_on()
    assert (log.is_there, log.count, log.lost) == (True, 2, 0)
    read = len(line(1) + line(2))
    log.path.write_text("#" * read + line(4) + line(7))
    log.read_on()
    assert (log.count, log.lost) == (4, 3)
    log.path.write_text(line(2))
    log.read_on()
    assert (log.count, log.lost) == (1, 1)


def test_runs_are_shown_for_a_day_after_they_ended_and_always_while_they_go_on(path: Path) -> None:
    """A run that ended more than a day ago is left out; a running one is shown however long it had no event."""
    written_s = path.stat().st_mtime
    # There is no manifest here: a run without one is counted as unreadable.
    for later_s, status, shown in ((0, "failed", 1), (SHOWN_S + 9, "failed", 0), (SHOWN_S + 9, "running", 1)):
        with closing(Ledger(path)) as ledger:
            ledger.set(status=status)
        os.utime(path, (written_s, written_s))
        runs = Runs(str(path.parents[2]), clock=partial(float, written_s + later_s))
        assert (runs.look(), runs.unreadable) == ({}, shown)
