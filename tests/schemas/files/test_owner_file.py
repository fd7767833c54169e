"""Logs on file systems that have no locks, or grant one twice: an owner file beside them, for one process at a time."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.contract.machine import this_machine
from schemas.files import jsonl_log
from schemas.files.jsonl_log import append_line, locked_log, whole_lines
from schemas.files.owner_file import EXPIRY_S, Owner, owned

WRITERS, LINES = 4, 25
WRITER = f"""
import errno, fcntl, sys
from pathlib import Path
from schemas.files.jsonl_log import append_line, cut_half_line, locked_log, read_log

def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = no_locks
for number in range({LINES}):
    with locked_log(Path(sys.argv[1])) as file:
        cut_half_line(file, read_log(file))
        append_line(file, f"{{sys.argv[2]}} {{number}} ".encode() + b"x" * 5000)
"""


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is on a file system without locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def plant(log: Path, **changes: Any) -> Path:
    """An owner file of another process; this host's first one unless it is changed."""
    owner = Owner(pid=1, host="alpha", machine=this_machine(), since=datetime.now(UTC))
    file = log.with_name(f"{log.name}.owner")
    file.write_text(owner.model_copy(update=changes).model_dump_json())
    return file


def ended_process() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


def test_lines_of_processes_without_locks_neither_tear_nor_get_lost(tmp_path: Path) -> None:
    """Four processes append, each cuts half lines off first, beside a killed one's owner file: no line is lost."""
    log = tmp_path / "log.jsonl"
    plant(log, pid=ended_process())
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(name)]) for name in range(WRITERS)]
    assert [writer.wait(60) for writer in writers] == [0] * WRITERS
    found = [line.split(b" ") for line in whole_lines(log.read_bytes())]
    assert sorted((int(name), int(number)) for name, number, _ in found) == [
        (name, number) for name in range(WRITERS) for number in range(LINES)
    ]
    assert {len(text) for _, _, text in found} == {5000}
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_an_owner_that_may_be_alive_is_named(tmp_path: Path, no_locks: None) -> None:
    """A live process of this machine, a process of another machine for ten minutes, one that has not written yet."""
    log = tmp_path / "log.jsonl"
    changes: dict[str, Any]
    for changes in ({}, {"machine": "another", "pid": ended_process()}):
        file = plant(log, **changes)
        named = rf"process {changes.get('pid', 1)} on alpha since .* UTC; if that has ended, remove {file}"
        with pytest.raises(BlockingIOError, match=named), locked_log(log, wait=False):
            pass
    file.write_text("")
    with pytest.raises(BlockingIOError, match="a process; if that has ended"), locked_log(log, wait=False):
        pass


def test_an_owner_that_is_gone_is_taken_over(tmp_path: Path, no_locks: None) -> None:
    """An ended process of this machine at once; of another machine, or without a name, once the file is old."""
    log, long_ago = tmp_path / "log.jsonl", timedelta(seconds=EXPIRY_S + 60)
    plants = ({"pid": ended_process()}, {"machine": "another", "since": datetime.now(UTC) - long_ago}, None)
    for number, changes in enumerate(plants):
        file = plant(log, **(changes or {}))
        if changes is None:
            file.write_text('{"pid":')
            os.utime(file, times=(0, time.time() - long_ago.total_seconds()))
        with locked_log(log, wait=False) as opened:
            assert file.exists()
            append_line(opened, b"x")
        assert len(whole_lines(log.read_bytes())) == number + 1
        assert not file.exists()


def test_a_lock_of_a_network_file_system_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a lock may be granted on two hosts: the owner file decides. Elsewhere there is none."""
    log = tmp_path / "log.jsonl"
    with locked_log(log):
        assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]
    monkeypatch.setattr(jsonl_log, "network_file_system", lambda path: "nfs4")
    with locked_log(log):
        assert log.with_name("log.jsonl.owner").exists()
    plant(log)
    with pytest.raises(BlockingIOError, match="process 1 on alpha"), locked_log(log, wait=False):
        pass


def test_an_owner_that_was_taken_over_removes_nothing(tmp_path: Path) -> None:
    """A process that was taken for gone leaves the owner file of the next one."""
    log = tmp_path / "log.jsonl"
    with owned(log):
        file = plant(log)
    assert file.exists()
