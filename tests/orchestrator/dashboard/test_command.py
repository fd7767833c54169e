"""`orchestrator dashboard` refuses, in one line, a public address without a password and a port that is in use."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.checks import is_loopback
from tests.conftest import Completed, clean_environment, command


def refusal(result: Completed | subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that exits with 2."""
    assert result.returncode == 2, result.stdout + result.stderr
    (line,) = result.stderr.splitlines()
    return line


def test_beyond_this_machine_a_password_is_needed(tmp_path: Path) -> None:
    """An address that other machines can reach is refused while no password is set."""
    line = refusal(command("dashboard", "--address", "0.0.0.0", cwd=tmp_path))
    assert "GURUKUL_DASHBOARD_PASSWORD" in line and "0.0.0.0" in line


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """If the port is in use, the line names it and the option to give."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        line = refusal(command("dashboard", "--port", port, cwd=tmp_path))
    assert port in line and "--port" in line


def test_without_the_extra_the_install_command_is_printed(tmp_path: Path) -> None:
    """On an installation without the extra, the line is the command that installs it."""
    code = "import sys; sys.modules['starlette'] = None; from orchestrator.cli import cli; cli(['dashboard'])"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "pip install 'gurukul[dashboard]'" in refusal(result)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
        ("::", False), ("10.0.0.8", False), ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_only_loopback_is_loopback(address: str, expected: bool) -> None:
    """An address that might be reached from another machine counts as open."""
    assert is_loopback(address) == expected
