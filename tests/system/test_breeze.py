"""Breeze through the whole program: real orchestrator, workers and SDK, against a server on loopback in its shape."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.coverage import CoverageTable
from schemas.layout import BarsLayout
from schemas.quality import Check
from schemas.window import SkipReason
from tests.bars.breeze_server import API_SECRET, BASE64_SESSION, SESSION_KEY, SESSION_TOKEN, FakeBreeze, running
from tests.conftest import clean_environment, processes_about, tree
from tests.waiting import wait_for
from workers.bars import store
from workers.bars.calendar import day_number, open_calendar

SECRETS = (API_SECRET, SESSION_TOKEN, SESSION_KEY, BASE64_SESSION)
SOURCE = ("--source", "breeze", "--requests-per-minute", "6000")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze that the environment points to, with NSE's own sessions and prices that move."""
    with running(monkeypatch) as server:
        plain = server.candles
        sessions = set(open_calendar("NSE").sessions(date(2023, 1, 1), date(2024, 12, 31)).tolist())

        def rows(asked: dict[str, str]) -> list[dict[str, Any]]:
            if asked["stock_code"] == "MAHMAH":
                return []
            found = plain(asked)
            days = [day_number(datetime.fromisoformat(each["datetime"]).date()) for each in found]
            more = higher(asked["stock_code"])
            return [moved(each, day % 7 + more) for each, day in zip(found, days, strict=True) if day in sessions]

        server.rows = rows
        yield server


def higher(code: str) -> int:
    """No two symbols have the same prices."""
    return sum(code.encode()) % 50


def moved(candle: dict[str, Any], more: int) -> dict[str, Any]:
    """A candle at higher prices."""
    return candle | {name: float(candle[name]) + more for name in ("open", "high", "low", "close")}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "ingest", *SOURCE, *arguments]


def environment() -> dict[str, str]:
    """Without settings of the project, but for those that point to the fake server."""
    return clean_environment() | {name: value for name, value in os.environ.items() if "BREEZE" in name}


def ingest(cwd: Path, *arguments: str, code: int = 0) -> str:
    result = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=240
    )
    assert result.returncode == code, result.stdout + result.stderr
    said = result.stdout + result.stderr
    for name, content in [*tree(cwd).items(), ("the screen", said.encode())]:
        assert not [secret for secret in SECRETS if secret.encode() in content], name
    return said


def table_in(cwd: Path) -> CoverageTable:
    return CoverageTable.model_validate_json(BarsLayout.under(cwd / "data", "1day").coverage.read_bytes())


def asked_from(server: FakeBreeze) -> list[tuple[str, str]]:
    return [(asked["stock_code"], asked["from_date"][:10]) for asked in server.asked()]


def test_bars_are_fetched_and_kept_up(server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be had is told apart; an increment asks for what is missing; a dead token writes nothing."""
    symbols = ("--symbols", "RELIANCE,INFY,M&M,NOPE", "--start-date", "2023-12-01")
    ingest(tmp_path, *symbols, "--end-date", "2024-01-17")
    table = table_in(tmp_path)
    assert {name: row.reason for name, row in table.rejected.items()} == {
        "M&M": SkipReason.NO_DATA,
        "NOPE": SkipReason.MISSING_MAPPING,
    }
    row = table.symbols["INFY"]
    assert (row.source, row.sessions, row.first, row.last) == (
        "breeze", row.sessions_expected, date(2023, 12, 1), date(2024, 1, 17),
    )  # fmt: skip
    found = store.read(BarsLayout.under(tmp_path / "data", "1day").bars("INFY"))
    assert found is not None
    assert found[0].close.tolist() == [100.05 + day % 7 + higher("INFTEC") for day in found[0].session.tolist()]
    assert not list(tmp_path.rglob(".fetched/*"))

    server.requests.clear()
    whole = server.rows
    correction = {"close": 150.0, "high": 190.0}
    server.rows = lambda asked: [
        each | (correction if each["datetime"].startswith("2024-01-17") else {}) for each in whole(asked) or []
    ]
    said = ingest(tmp_path, *symbols, "--end-date", "2024-01-19", "--incremental")
    assert {start for code, start in asked_from(server) if code in ("RELIND", "INFTEC")} == {"2024-01-17"}
    table = table_in(tmp_path)
    assert [finding.check for finding in table.symbols["INFY"].findings] == [Check.CHANGED_BAR]
    assert table.symbols["INFY"].last == date(2024, 1, 19)
    assert "changed_bar" in said and "2024-01-17 close" in said

    before = tree(tmp_path)
    monkeypatch.setenv("BREEZE_SESSION_TOKEN", "of yesterday")
    said = ingest(tmp_path, *symbols, code=2)
    (line,) = said.splitlines()
    assert "session" in line
    assert tree(tmp_path) == before


def test_a_killed_fetch_asks_for_nothing_twice(server: FakeBreeze, tmp_path: Path) -> None:
    """After a SIGKILL the chunks that had been stored are not asked for again, and none is kept in the end."""
    whole = server.rows

    def slowly(asked: dict[str, str]) -> Any:
        time.sleep(0.05)
        return whole(asked)

    server.rows = slowly
    arguments = ("--symbols", "RELIANCE", "--interval", "1minute")
    arguments += ("--start-date", "2024-01-01", "--end-date", "2024-03-28")
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
