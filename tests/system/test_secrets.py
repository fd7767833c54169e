"""The broker's password during and after a run: in no file, output or command line; and who may read a run's files."""

import json
import stat
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.conftest import Finished, SharedFleet, command, tree

QUARTER = ("--start-date", "2024-01-01", "--end-date", "2024-03-31", "--threshold", "0.005")


def command_lines() -> str:
    """Arguments of every process on this host, this one left out: what any of its users can read."""
    found = []
    for process in psutil.process_iter():
        try:
            found += process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return "\n".join(found)


def test_a_run_by_broker_file_leaves_no_password_behind(
    tmp_path: Path, bars: Path, fleet: SharedFleet, caplog: pytest.LogCaptureFixture
) -> None:
    """The file's path is stored instead, and `resume` reads it again, from another folder too."""
    url = fleet[1]
    password = urlsplit(url).password
    assert password is not None
    secret = tmp_path / "broker"
    secret.write_text(url)
    secret.chmod(0o600)
    place = tmp_path / "place"
    place.mkdir()
    fleet.serve(place / "data")
    flags = ("--source", f"csv:{bars}", "--symbols", "BAJAJ-AUTO", *QUARTER, "--no-local-workers")
    result = command("run", *flags, "--broker-file", "../broker", "--run-id", "secret", cwd=place)
    assert "secret" in result.stdout, result.stderr
    assert password not in result.stdout + result.stderr + caplog.text + command_lines()
    files = tree(place)
    assert not [name for name, content in files.items() if password.encode() in content]
    stored = json.loads(files["data/models/secret/run.json"])["config"]
    assert (stored["broker_file"], password in stored["broker"]) == (str(place / "../broker"), False)
    assert stored["broker_login"]
    resumed = command("resume", "secret", "--data-dir", str(place / "data"), cwd=tmp_path)
    assert resumed.returncode == result.returncode, resumed.stderr
    secret.chmod(0o604)
    refused = command("fleet", "--broker-file", str(secret), cwd=place)
    assert refused.returncode == 2 and f"chmod 600 {secret}" in refused.stderr


def test_only_owner_and_group_read_a_run_s_files(two_device_run: Finished) -> None:
    """Files are 0640 and folders 0750, or tighter: bars, models, ledger, events, logs and audit."""
    wide = {
        path.relative_to(two_device_run.cwd).as_posix(): oct(path.stat().st_mode)
        for folder in ("data", "logs", "release")
        for path in (two_device_run.cwd / folder).rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o027
    }
    assert not wide
