"""Log files of real runs and of a real fleet."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from redis import Redis

from schemas.redis.presences import read_presences
from tests.conftest import Finished, clean_environment, finished_run, write_bars
from tests.json_log import read_lines

QUARTER = ("--start-date", "2024-01-01", "--end-date", "2024-03-31", "--threshold", "0.005")


def windows_of(run: Finished) -> set[tuple[str, str]]:
    """Role and name of each trained window in the run's ledger."""
    with closing(sqlite3.connect(run.folder / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT role, name FROM work WHERE role IN ('teacher', 'student')").fetchall()
    return set(rows)


def attempts_in(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The workers' log lines on the end of an attempt."""
    return [line for line in lines if line["logger"] == "workers.handlers.execute"]


def assert_attempts(lines: list[dict[str, Any]], run: Finished, run_id: str) -> None:
    """Assert that each attempt's line names its subject, and that together they name the ledger's windows."""
    trained = [line for line in attempts_in(lines) if line["role"] in ("teacher", "student")]
    assert all(line["run_id"] == run_id and line["device"] and line["attempt"] >= 0 for line in trained)
    found = {(line["role"], line["window"]) for line in trained}
    assert len(found) == 4
    assert found == windows_of(run)


def test_each_line_of_a_json_log_is_an_object_with_its_attempt(tmp_path: Path) -> None:
    """Orchestrator, supervisor, Celery and pool children write one JSON log, in the format of the run's setting."""
    bars = write_bars(tmp_path / "bars", ("TCS", "INFY"))
    run = finished_run(
        tmp_path, "--source", f"csv:{bars}", *QUARTER, "--devices", "cpu:1x1", "--run-id", "logged",
        "--log-format", "json",
    )  # fmt: skip
    lines = read_lines((tmp_path / "logs" / "logged.log").read_text(encoding="utf-8"))
    assert_attempts(lines, run, "logged")
    speakers = {line["logger"].split(".")[0] for line in lines}
    assert {"orchestrator", "workers", "celery"} <= speakers
    assert all(line["run_id"] == "logged" for line in lines if line["logger"].startswith("orchestrator"))
    received = [line for line in lines if line["logger"] == "celery.worker.strategy"]
    assert received and all(line["run_id"] == "logged" and line["role"] for line in received)
    assert "workers.printed" not in {line["logger"] for line in lines}, "a module prints instead of logging"


def test_a_fleet_logs_into_a_folder_one_file_a_device(redis: Redis, server: str, tmp_path: Path) -> None:
    """`workers start --log-dir DIR --log-format json` writes DIR/workers.log and DIR/DEVICE.log, and prints nothing."""
    bars = write_bars(tmp_path / "bars", ("TCS", "INFY"))
    fleet = subprocess.Popen(
        [sys.executable, "-m", "workers", "start", "--devices", "cpu:2x1", "--broker", server,
         "--log-dir", "logs", "--log-format", "json"],
        cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        run = finished_run(
            tmp_path,
            "--source",
            f"csv:{bars}",
            *QUARTER,
            "--broker",
            server,
            "--no-local-workers",
            "--run-id",
            "shared",
        )
    finally:
        fleet.send_signal(signal.SIGTERM)
        printed, _ = fleet.communicate(timeout=60)
    assert (fleet.returncode, printed) == (0, b"")
    assert not read_presences(redis), "workers that end sign off"
    logs = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "logs").iterdir()}
    host = os.uname().nodename
    assert set(logs) == {"shared.log", "workers.log", f"cpu0@{host}.log", f"cpu1@{host}.log"}
    by_host = {line["logger"] for line in read_lines(logs["workers.log"])}
    assert by_host == {"workers.devices.joining", "workers.devices.supervisor"}
    devices = [read_lines(logs[f"cpu{i}@{host}.log"]) for i in range(2)]
    for i, lines in enumerate(devices):
        assert {line["device"] for line in lines} == {f"cpu{i}@{host}"}
    assert_attempts([line for lines in devices for line in lines], run, "shared")
    first = logs["shared.log"].splitlines()[0]
    assert first.endswith("run_id=shared"), "a run's log is text unless it is set otherwise"


def test_a_json_log_has_in_json_why_workers_do_not_start(tmp_path: Path) -> None:
    """Without a broker the supervisor's one line is an object too, and the exit code 2."""
    result = subprocess.run(
        [sys.executable, "-m", "workers", "start", "--devices", "cpu:1x1", "--log-format", "json"],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = read_lines(result.stdout + result.stderr)
    assert line["level"] == "ERROR" and "no broker" in line["message"]
