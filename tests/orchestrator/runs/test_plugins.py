"""Plug-ins that misbehave in the process that loads them before a run: each is one sentence, or does no harm."""

from pathlib import Path

import pytest

from orchestrator.runs.plugins import ask_about
from schemas.contract.errors import RequestError

HEAD = "import ctypes, os, sys, threading, time\nimport gurukul as gk\n"
FEATURE = "\n@gk.feature(warmup=1)\ndef f(bars):\n    return bars['close']\n"


def asked(folder: Path, code: str) -> tuple[str, ...]:
    """The columns that a real child process reports for a plug-in with this code."""
    path = folder / "ideas.py"
    path.write_text(HEAD + code + FEATURE)
    return ask_about(("f",), (str(path),)).columns


def test_a_plug_in_that_ends_the_process_is_named(tmp_path: Path) -> None:
    """A fault of C code, like an exit below Python, is a RequestError with the file, before a run opens."""
    with pytest.raises(RequestError, match=r"loads .*ideas.py ended with exit code -11 .*must not end its process"):
        asked(tmp_path, "ctypes.string_at(0)")


def test_prints_and_threads_do_no_harm(tmp_path: Path) -> None:
    """What is written to standard output, also below Python, is no answer; a thread that goes on keeps no process."""
    noise = "print('{}')\nos.write(1, b'{}')\nsys.stdout = None\n"
    assert asked(tmp_path, f"{noise}threading.Thread(target=time.sleep, args=(3600,)).start()") == ("f",)
