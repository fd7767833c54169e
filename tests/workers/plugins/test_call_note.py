"""What a worker reads of its children's calls of plug-ins, in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.waiting import wait_for
from workers.plugins.call_note import noted_call

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from workers.plugins import call_note
call_note.SAMPLED_S = 0.05
call_note.keep_note()
import ideas
print(flush=True)
with call_note.noted(sys.argv[1] + "/ideas.py", "in feature f"):
    getattr(ideas, sys.argv[2])()
print(flush=True)
sys.stdin.read()
"""
IDEAS = """import os, signal, time
def short():
    pass
def sleeps():
    time.sleep(600)
def exits():
    os._exit(7)
def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)
"""


@contextmanager
def child(folder: Path, function: str, patch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process that keeps a note in `folder` and has begun to call a function of a plug-in there."""
    (folder / "ideas.py").write_text(IDEAS)
    patch.setattr("tempfile.tempdir", str(folder))
    command = [sys.executable, "-c", CHILD, str(folder), function]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_long_call_is_noted_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays so when the process is ended from outside."""
    wanted = f"{tmp_path}/ideas.py line 5 (in feature f)"
    with child(tmp_path, "sleeps", monkeypatch) as process:
        wait_for(lambda: noted_call(process.pid) == wanted, "the line")
        process.kill()
        process.wait()
    assert noted_call(process.pid) == wanted


@pytest.mark.parametrize(("function", "line", "code"), [("exits", 7, 7), ("crashes", 9, -signal.SIGSEGV)])
def test_a_call_that_ends_its_process_is_noted_with_its_line(
    function: str, line: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `os._exit` and by a signal."""
    with child(tmp_path, function, monkeypatch) as process:
        assert process.wait(60) == code
    assert noted_call(process.pid) == f"{tmp_path}/ideas.py line {line} (in feature f)"


def test_a_call_that_has_ended_leaves_no_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither has a process that never called a plug-in."""
    with child(tmp_path, "short", monkeypatch) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        assert noted_call(process.pid) == ""
    assert noted_call(os.getpid()) == ""
