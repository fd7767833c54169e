"""Breeze from the command line: stored bars, findings on missing ones, and a run on its bars."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import numpy as np
import pytest

from schemas.contract.coverage import CoverageTable
from schemas.contract.quality import Check, Verdict
from schemas.contract.window import SkipReason
from schemas.files.layout import BarsLayout
from tests.conftest import clean_environment, tree
from tests.workers.bars import breeze_server as fake
from tests.workers.bars.breeze_server import FakeBreeze, Fault, in_body, running, source
from workers.bars import store
from workers.bars.breeze.failures import RateLimited
from workers.bars.breeze.source import LONGEST_RETRY_AFTER_S, TRIES
from workers.bars.calendar import day_number, day_of, open_calendar
from workers.bars.series import COLUMNS

CODES = [("RELIANCE", "RELIND"), ("INFY", "INFTEC"), ("M&M", "MAHMAH"), ("SBIN", "STABAN"), ("TCS", "TCS")]
FIRST, LAST, LATER = date(2020, 12, 1), date(2023, 12, 29), date(2024, 1, 5)
HOLE, SECOND_CHUNK = date(2020, 12, 15), "2023-08-08"

PLANTED = (fake.API_KEY, fake.API_SECRET, fake.SESSION_TOKEN, fake.SESSION_KEY, fake.BASE64_SESSION)
FORMS = [form for s in PLANTED for e in (s, b64encode(s.encode()).decode()) for form in (e, quote(e), quote_plus(e))]

Candles = dict[int, dict[str, Any]]


class Market:
    """The fake Breeze's candles: a random walk per symbol over NSE's sessions to the day `last`, none of M&M."""

    def __init__(self) -> None:
        self.last = date(2024, 6, 30)
        sessions = open_calendar("NSE").sessions(date(2020, 1, 1), date(2024, 6, 30)).tolist()
        self.candles: dict[str, Candles] = {code: walk(seed, sessions) for seed, (_, code) in enumerate(CODES)}
        self.candles["MAHMAH"] = {}

    def rows(self, asked: dict[str, str]) -> list[dict[str, Any]]:
        """A reply of daily candles."""
        first, last = (day_number(date.fromisoformat(asked[name][:10])) for name in ("from_date", "to_date"))
        last = min(last, day_number(self.last))
        return [row for day, row in self.candles[asked["stock_code"]].items() if first <= day <= last][: fake.CAP]


def walk(seed: int, sessions: list[int]) -> Candles:
    """Candles by session."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.018, len(sessions))))
    opening = close * np.exp(rng.normal(0, 0.004, len(sessions)))
    prices = np.round([opening, np.maximum(opening, close) * 1.005, np.minimum(opening, close) * 0.995, close], 2)
    volume = rng.integers(10_000, 90_000, len(sessions)).tolist()
    return {
        day: fake.candle(
            datetime.combine(day_of(day), datetime.min.time()),
            open=o, high=h, low=low, close=c, volume=v,
        )
        for day, o, h, low, c, v in zip(sessions, *prices.tolist(), volume, strict=True)
    }  # fmt: skip


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def server(market: Market, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze with that market, to which the environment points."""
    with running(monkeypatch) as server:
        server.codes = [(symbol, code, "EQ") for symbol, code in CODES]
        server.rows = market.rows
        yield server


def orchestrator(cwd: Path, *arguments: str, code: int = 0) -> str:
    """Run it to its end, with temporary files under `cwd`; no output and no file holds a secret."""
    (cwd / "tmp").mkdir(exist_ok=True)
    breeze = {name: value for name, value in os.environ.items() if "BREEZE" in name}
    result = subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments], cwd=cwd, capture_output=True, text=True, timeout=240,
        env=clean_environment() | breeze | {"TMPDIR": str(cwd / "tmp")},
    )  # fmt: skip
    output = result.stdout + result.stderr
    assert result.returncode == code, output
    assert "Traceback" not in output
    refuse_secrets(output.encode())
    assert look_at_all_files(cwd) or code == 2
    assert not list((cwd / "tmp").iterdir())
    return output


def refuse_secrets(content: bytes) -> None:
    assert not [form for form in FORMS if form.encode().lower() in content.lower()]


def look_at_all_files(cwd: Path) -> int:
    """No file holds a secret; returns how many there are."""
    files = tree(cwd)
    for name, content in files.items():
        refuse_secrets(name.encode() + content)
    return len(files)


def ingest(cwd: Path, symbols: str, *arguments: str, code: int = 0) -> str:
    """The windows' dates: their warm-up begins on FIRST and their last label ends on LAST."""
    start, end = FIRST + timedelta(days=225), LAST - timedelta(days=1 + 7 + 15)
    days = [f"--start-date={start}", f"--end-date={end}", "--step-days=1", "--requests-per-minute=6000"]
    days.append("--devices=cpu:1x1")
    return orchestrator(cwd, "ingest", "--source", "breeze", "--symbols", symbols, *days, *arguments, code=code)


def table_in(cwd: Path) -> CoverageTable:
    return CoverageTable.model_validate_json(BarsLayout.under(cwd / "data", "1day").coverage.read_bytes())


def stored(cwd: Path, symbol: str) -> dict[int, list[float]]:
    """Stored bars of a symbol: one row per session."""
    found = store.read(BarsLayout.under(cwd / "data", "1day").bars(symbol))
    assert found is not None
    series = found[0]
    rows = np.column_stack([getattr(series, name) for name in COLUMNS]).tolist()
    return dict(zip(series.session.tolist(), rows, strict=True))


def sent(candles: Candles, last: date) -> dict[int, list[float]]:
    """The server's bars of a symbol, in the same form."""
    wanted = range(day_number(FIRST), day_number(last) + 1)
    return {day: [float(row[name]) for name in COLUMNS] for day, row in candles.items() if day in wanted}


def asked_of(server: FakeBreeze, code: str) -> list[tuple[str, str]]:
    """First and last day of each request for a stock's candles."""
    mine = [asked for asked in server.asked() if asked["stock_code"] == code]
    return [(asked["from_date"][:10], asked["to_date"][:10]) for asked in mine]


def test_sent_bars_are_stored_and_missing_ones_have_a_reason(
    server: FakeBreeze, market: Market, tmp_path: Path
) -> None:
    """Stored bars equal the server's; each symbol without bars has its reason; fetched chunks are not requested again.

    Then --incremental requests a gap, the last stored session and all later days, whatever the end date, and names a
    bar that has changed.
    No secret gets into output or files, although the server's replies are full of them.
    """
    echo = " ".join(FORMS)
    files_under_way: list[int] = []

    def trouble(asked: dict[str, str]) -> Fault | None:
        files_under_way.append(look_at_all_files(tmp_path))
        failing = asked["stock_code"] == "STABAN" and asked["from_date"] >= SECOND_CHUNK
        return busy if failing else None

    def busy(server: FakeBreeze, handler: fake.Handler) -> None:
        asks = {"Retry-After": f"{LONGEST_RETRY_AFTER_S + 1}"}
        fake.send_json(handler, fake.failed(503, echo), 503, asks)

    infy = market.candles["INFTEC"]
    hole = infy.pop(day_number(HOLE))
    market.candles["TCS"][day_number(date(2021, 3, 3))]["close"] = echo
    server.trouble = trouble
    output = ingest(tmp_path, "RELIANCE,INFY,M&M,SBIN,TCS,NOPE", code=3)
    table = table_in(tmp_path)
    assert {name: (row.source, row.verdict) for name, row in table.symbols.items()} == {
        "RELIANCE": ("breeze", Verdict.OK),
        "INFY": ("breeze", Verdict.WARN),
    }
    assert (table.symbols["INFY"].sessions, table.symbols["INFY"].gaps[0].first) == (len(sent(infy, LAST)), HOLE)
    for symbol, code in CODES[:2]:
        assert stored(tmp_path, symbol) == sent(market.candles[code], LAST)
    assert {name: row.reason for name, row in table.rejected.items()} == {
        "M&M": SkipReason.NO_DATA,
        "NOPE": SkipReason.MISSING_MAPPING,
        "SBIN": SkipReason.INGEST_FAILED,
        "TCS": SkipReason.REJECTED_DATA,
    }
    (unread,) = table.rejected["SBIN"].findings
    for words in ("failed (passing fault): given up after 3 times", "status 503", "the server asks to wait 301 s"):
        assert words in unread.detail
    assert "1 of 6 symbols failed, more than --max-failure-rate 0.15 allows" in output
    assert len(files_under_way) == len(server.asked()) and min(files_under_way) > 3

    server.trouble = lambda asked: None
    server.requests.clear()
    infy[day_number(HOLE)] = hole
    infy[day_number(LAST)] |= {"close": infy[day_number(LAST)]["low"]}
    whole = tree(tmp_path / "data")["bars/1day/RELIANCE.parquet"]
    market.last = LATER
    output = ingest(tmp_path, "SBIN,INFY", "--incremental")
    assert asked_of(server, "STABAN")[0][0] == SECOND_CHUNK, "the first chunk was fetched before"
    asked = asked_of(server, "INFTEC")
    assert (asked[0], asked[1][0]) == ((f"{HOLE}", f"{HOLE}"), f"{LAST}") and asked[-1][1] > f"{LATER}"
    table = table_in(tmp_path)
    assert stored(tmp_path, "INFY") == sent(infy, LATER) and stored(tmp_path, "SBIN")
    assert [finding.check for finding in table.symbols["INFY"].findings] == [Check.CHANGED_BAR]
    assert Check.CHANGED_BAR.words in output and f"{LAST} close" in output
    assert set(table.symbols) == {"RELIANCE", "INFY", "SBIN"}
    assert tree(tmp_path / "data")["bars/1day/RELIANCE.parquet"] == whole
    assert not list(tmp_path.rglob(".fetched/*"))


def test_a_run_trains_on_fetched_bars(
    server: FakeBreeze, market: Market, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """`run` fetches warm-up, windows and scored days with a secrets file; without credentials it writes nothing."""
    secrets = tmp_path_factory.mktemp("home") / "secrets"
    names = ("BREEZE_API_KEY", "BREEZE_API_SECRET", "BREEZE_SESSION_TOKEN")
    secrets.touch(mode=0o600)
    secrets.write_text("".join(f"{name}='{os.environ[name]}'\n" for name in names))
    for name in names:
        monkeypatch.delenv(name)
    arguments = ["run", "--source", "breeze", "--symbols", "RELIANCE,M&M", "--requests-per-minute", "6000"]
    arguments += ["--start-date", "2023-01-01", "--end-date", "2023-09-01", "--devices", "cpu:1x1"]
    (line,) = orchestrator(tmp_path, *arguments, code=2).splitlines()
    assert "BREEZE_API_KEY and BREEZE_API_SECRET and BREEZE_SESSION_TOKEN not found" in line
    assert not tree(tmp_path) and not server.requests

    output = orchestrator(tmp_path, *arguments, "--secrets-file", f"{secrets}", "--run-id", "fetched")
    assert "M&M is left out: no bars" in output and "nothing trained for M&M: no bars on its days (2)" in output
    ((first, last),) = asked_of(server, "RELIND")
    assert first < "2022-09-01" and last > "2024-01-01"
    table = table_in(tmp_path)
    assert (table.symbols["RELIANCE"].source, table.symbols["RELIANCE"].verdict) == ("breeze", Verdict.OK)
    assert table.rejected["M&M"].reason is SkipReason.NO_DATA
    rows = json.loads((tmp_path / "data" / "models" / "fetched" / "student_runs.json").read_text())
    ends = {(row["symbol"], row["start"]): (row["status"], row["reason"]) for row in rows}
    assert ends["RELIANCE", "2023-01-01"][0] == "success" and ends["M&M", "2023-01-01"] == ("skipped", "no_data")


def test_limits_are_waited_out_or_not_at_all(server: FakeBreeze, tmp_path: Path) -> None:
    """The waits for one request are longer than Breeze's limit per minute; its limit per day is not waited for."""
    slept: list[float] = []
    limited = in_body(5, "Limit exceed: API call per minute:Try after some time", http=401)
    server.faults[fake.HISTORY].extend([limited] * (TRIES - 1))
    read = source(tmp_path, (FIRST, FIRST), interval="1day", sleep=slept.append).read
    assert len(read("INFY")) == 1 and 60 <= sum(slept) <= 75
    server.faults[fake.HISTORY].append(in_body(5, "Limit exceed: API call per day: "))
    with pytest.raises(RateLimited, match=r"try 1 of 5"):
        read("RELIANCE")
    assert len(slept) == TRIES - 1
