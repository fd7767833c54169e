"""Logs on file systems that have no locks, or grant one twice: an owner file beside them, for one process at a time."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from schemas.contract.machine import this_machine
from schemas.files import jsonl_log, owner_file
from schemas.files.jsonl_log import append_line, locked_log, whole_lines
from schemas.files.owner_file import EXPIRY_S, FileOwner, owned
from tests.waiting import wait_for

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
    owner = FileOwner(pid=1, host="alpha", machine=this_machine(), since=datetime.now(UTC), token="00")
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


def grow_old(file: Path) -> None:
    """Set a file's time of change to more than the expiry ago, and to before this process was started."""
    started = psutil.Process().create_time()
    os.utime(file, times=(0, min(started, time.time()) - EXPIRY_S - 60))


def test_an_owner_that_may_be_alive_is_named(tmp_path: Path, no_locks: None) -> None:
    """A live process of this machine, one of another machine that renews its file, one that has not written yet."""
    log, long_ago = tmp_path / "log.jsonl", datetime.now(UTC) - timedelta(days=1)
    changes: dict[str, Any]
    for changes in ({}, {"machine": "another", "pid": ended_process(), "since": long_ago}):
        file = plant(log, **changes)
        if not changes:
            grow_old(file)
        named = rf"process {changes.get('pid', 1)} on alpha since .* UTC; if that has ended, remove {file}"
        with pytest.raises(BlockingIOError, match=named), locked_log(log, wait=False):
            pass
    file.write_text("")
    with pytest.raises(BlockingIOError, match="a process; if that has ended"), locked_log(log, wait=False):
        pass


def test_an_owner_file_without_a_token_is_a_process_that_has_not_written(tmp_path: Path, no_locks: None) -> None:
    """Its reader could not distinguish two of them: it is refused until it is old, and never waited for."""
    log = tmp_path / "log.jsonl"
    file = plant(log)
    file.write_text(file.read_text().replace(',"token":"00"', ""))
    with pytest.raises(BlockingIOError, match="a process"), owned(log, wait=False):
        pass


def test_an_owner_that_is_gone_is_taken_over(tmp_path: Path, no_locks: None) -> None:
    """An ended process of this machine at once; of another machine, or without a name, if its file was not renewed.

    A process that started after the last renewal was given the id of the owner.
    """
    log = tmp_path / "log.jsonl"
    long_ago = datetime.now(UTC) - timedelta(days=999)
    given_again = {"pid": os.getpid(), "since": long_ago}
    plants: tuple[dict[str, Any] | None, ...] = ({"pid": ended_process()}, given_again, {"machine": "another"}, None)
    for number, changes in enumerate(plants):
        file = plant(log, **(changes or {}))
        if changes is None:
            file.write_text('{"pid":')
        if number:
            grow_old(file)
        with locked_log(log, wait=False) as opened:
            assert file.exists()
            append_line(opened, b"x")
        assert len(whole_lines(log.read_bytes())) == number + 1
        assert not file.exists()


def test_an_owner_renews_its_file_for_as_long_as_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that takes longer than the expiry stays the owner for other machines; then renewal ends."""
    monkeypatch.setattr(owner_file, "RENEWAL_S", 0.01)
    log = tmp_path / "log.jsonl"
    with owned(log):
        file = tmp_path / "log.jsonl.owner"
        grow_old(file)
        wait_for(lambda: time.time() - file.stat().st_mtime < EXPIRY_S, "a renewal")
    assert not [thread for thread in threading.enumerate() if "renews" in thread.name]


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


def test_an_owner_that_was_taken_over_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was taken for gone neither removes nor renews the owner file of the next one."""
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr(owner_file, "RENEWAL_S", 0.01)
    read, looks = owner_file._read, list[Path]()

    def look(file: Path) -> FileOwner | None:
        looks.append(file)
        return read(file)

    with owned(log):
        file = plant(log)
        grow_old(file)
        monkeypatch.setattr(owner_file, "_read", look)
        wait_for(lambda: len(looks) > 2, "two renewals")
    assert time.time() - file.stat().st_mtime > EXPIRY_S
