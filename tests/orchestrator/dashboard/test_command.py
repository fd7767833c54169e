"""`orchestrator dashboard` refuses, in one line, what would be open to strangers or cannot be served."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.dashboard import is_loopback
from orchestrator.dashboard.password import is_password
from tests.conftest import Completed, clean_environment, command


def refusal(result: Completed | subprocess.CompletedProcess[str]) -> str:
    """The one line that a command said as it ended with 2."""
    assert result.returncode == 2, result.stdout + result.stderr
    (line,) = result.stderr.splitlines()
    return line


def test_beyond_this_machine_a_password_is_needed(tmp_path: Path) -> None:
    """An address that others reach is refused while no password is set."""
    line = refusal(command("dashboard", "--address", "0.0.0.0", cwd=tmp_path))
    assert "GURUKUL_DASHBOARD_PASSWORD" in line and "0.0.0.0" in line


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """Where something listens already, the line says which port and what to give."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        line = refusal(command("dashboard", "--port", port, cwd=tmp_path))
    assert port in line and "--port" in line


def test_without_streamlit_it_says_what_to_install(tmp_path: Path) -> None:
    """On an installation without the extra, the line is the command that installs it."""
    code = "import sys; sys.modules['streamlit'] = None; from orchestrator.cli import cli; cli(['dashboard'])"
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
    """What is not for certain this machine alone counts as open."""
    assert is_loopback(address) == expected


@pytest.mark.parametrize(
    ("said", "expected"), [("pä ss", True), ("pä s", False), ("pä sss", False), ("", False), ("PÄ SS", False)]
)
def test_a_password_is_right_whole_or_not_at_all(said: str, expected: bool) -> None:
    """Any text may be a password; nothing but the whole of it opens."""
    assert is_password(said, "pä ss") == expected
