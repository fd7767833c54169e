"""Breeze through the whole program, with kills and refusals: real orchestrator and workers, a local server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.contract.coverage import CoverageTable
from schemas.files.layout import BarsLayout
from tests.conftest import clean_environment, processes_about, tree
from tests.waiting import wait_for
from tests.workers.bars.breeze_server import API_SECRET, BASE64_SESSION, SESSION_KEY, SESSION_TOKEN, FakeBreeze, running

SECRETS = (API_SECRET, SESSION_TOKEN, SESSION_KEY, BASE64_SESSION)
SOURCE = ("--source", "breeze", "--requests-per-minute", "6000", "--devices", "cpu:1x1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze that the environment points to."""
    with running(monkeypatch) as server:
        yield server


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "ingest", *SOURCE, *arguments]


def environment() -> dict[str, str]:
    """The environment without the project's settings, except those that point to the fake server."""
    return clean_environment() | {name: value for name, value in os.environ.items() if "BREEZE" in name}


def ingest(cwd: Path, *arguments: str, code: int = 0) -> str:
    result = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=240
    )
    assert result.returncode == code, result.stdout + result.stderr
    output = result.stdout + result.stderr
    for name, content in [*tree(cwd).items(), ("the screen", output.encode())]:
        assert not [secret for secret in SECRETS if secret.encode() in content], name
    return output


def asked_from(server: FakeBreeze) -> list[tuple[str, str]]:
    return [(asked["stock_code"], asked["from_date"][:10]) for asked in server.asked()]


def test_a_dead_token_writes_nothing(server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an expired session the command ends with one line, before any request for candles and any file."""
    monkeypatch.setenv("BREEZE_SESSION_TOKEN", "of yesterday")
    (line,) = ingest(tmp_path, "--symbols", "INFY", "--start-date", "2023-12-01", code=2).splitlines()
    assert "session" in line
    assert tree(tmp_path) == {} and server.asked() == []


def test_a_killed_fetch_asks_for_nothing_twice(server: FakeBreeze, tmp_path: Path) -> None:
    """After a SIGKILL stored chunks are not requested again, and none is left after the next ingestion."""
    whole = server.rows

    def slowly(asked: dict[str, str]) -> Any:
        time.sleep(0.05)
        return whole(asked)

    server.rows = slowly
    arguments = ["--symbols", "RELIANCE", "--interval", "1minute"]
    arguments += ["--start-date", "2024-01-01", "--end-date", "2024-03-28"]
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, env=environment() | {"LAB": str(tmp_path)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: len(server.asked()) >= 8, "some chunks")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not processes_about(str(tmp_path)), "the end of its workers")
    first = asked_from(server)
    server.requests.clear()
    ingest(tmp_path, *arguments)
    again = set(first) & set(asked_from(server))
    assert len(again) <= 1, "more than what was under way is asked for again"
    assert not list(tmp_path.rglob(".fetched/*"))
    row = CoverageTable.model_validate_json(BarsLayout.under(tmp_path / "data", "1minute").coverage.read_bytes())
    regular = row.symbols["RELIANCE"]
    assert regular.bars == 375 * regular.sessions
