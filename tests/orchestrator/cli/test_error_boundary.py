"""The error boundary: which exit code and which line an error becomes."""

import os
import sqlite3
import subprocess
import sys

import pytest
import typer
from redis.exceptions import ConnectionError as BrokerGone
from redis.exceptions import NoPermissionError

from orchestrator.cli.error_boundary import guarded
from schemas.contract.errors import Cancelled, DataError, Interrupted, PhaseError, RequestError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RequestError("no such flag"), 2),
        (DataError("bars changed"), 2),
        (PhaseError("no symbol passed"), 3),
        (Cancelled("cancelled"), 130),
        (Interrupted(15), 130),
        (KeyboardInterrupt(), 130),
        (sqlite3.OperationalError("disk I/O error"), 3),
        (OSError(28, "No space left on device"), 3),
        (BrokerGone("connection refused"), 3),
        (NoPermissionError("EVAL devices: no"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_ends_the_command_with_its_exit_code_and_one_line(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The class decides the exit code; stdout stays empty, and stderr is one line that begins with the program."""

    def fails() -> None:
        raise error

    with pytest.raises(typer.Exit) as exit_:
        guarded(fails)()
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert exit_.value.exit_code == code and out == ""
    assert line.startswith("orchestrator: ") and (str(error) or "interrupted") in line


def test_a_message_of_several_lines_is_printed_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads stderr gets one line per error, whatever a library put into the message."""

    def fails() -> None:
        raise RequestError("first\n  second")

    with pytest.raises(typer.Exit):
        guarded(fails)()
    assert capsys.readouterr().err == "orchestrator: first second\n"


def test_a_bug_keeps_its_traceback() -> None:
    """An unexpected exception is not hidden behind one line."""

    def fails() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        guarded(fails)()


def test_a_command_that_ends_well_returns_its_result() -> None:
    """The boundary passes arguments and results through."""

    def double(number: int) -> int:
        return 2 * number

    assert guarded(double)(21) == 42


INTERRUPTED_IMPORT = """
import sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == "schemas.contract":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = [sys.argv[0], "--version"]
from {program}.__main__ import main
main()
"""


@pytest.mark.parametrize("program", ["gurukul", "orchestrator", "workers"])
def test_ctrl_c_while_modules_are_imported_is_one_line(program: str) -> None:
    """The first large library is imported inside the program, not with its package: there it would be a traceback."""
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT.format(program=program)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", f"{program}: interrupted\n")


def test_a_reader_that_has_ended_is_no_error() -> None:
    """`orchestrator acl | head -1`: what `head` no longer reads is discarded, without a message."""
    read, write = os.pipe()
    os.close(read)
    arguments = [sys.executable, "-m", "orchestrator", "acl"]
    result = subprocess.run(arguments, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (result.returncode, result.stderr) == (0, "")


def test_another_broken_pipe_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Of a program that a command writes to, while standard output is read."""

    def fails() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(typer.Exit) as exit_:
        guarded(fails)()
    assert exit_.value.exit_code == 3 and "Broken pipe" in capfd.readouterr().err


def test_a_locale_without_utf_8_is_no_error() -> None:
    """A character that the locale lacks is printed as a question mark."""
    code = "from schemas.terminal.program import run_program; run_program('p', lambda: lambda: print('1 \\u2013 2'))"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | plain, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "1 ? 2\n"), result.stderr
