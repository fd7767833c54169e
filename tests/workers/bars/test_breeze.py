"""Breeze over real HTTP: chunks below the limit per reply, resuming, and a result or finding for every row."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.interval import INTERVAL_MINUTES, Interval, most_bars_per_session
from schemas.contract.errors import DataError, RequestError
from schemas.contract.quality import Check, Verdict
from tests.strategies import examples
from tests.workers.bars import breeze_server as fake
from tests.workers.bars.breeze_server import FakeBreeze, candle, running, source
from workers.bars.breeze.chunks import tile
from workers.bars.breeze.client import URL_ENV
from workers.bars.breeze.source import MOST_CANDLES, Breeze, days_per_chunk
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest

KOLKATA = ZoneInfo("Asia/Kolkata")
MONDAY, TUESDAY, WEDNESDAY = (date(2024, 1, day) for day in (1, 2, 3))
WORKDAYS = (MONDAY, date(2024, 1, 5))

days = st.integers(0, 4000).map(lambda number: date(2015, 1, 1) + timedelta(days=number))
spans = st.lists(st.tuples(days, st.integers(0, 1500)).map(lambda s: (s[0], s[0] + timedelta(days=s[1]))), max_size=5)


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze that the environment points to."""
    with running(monkeypatch) as server:
        yield server


def requested(server: FakeBreeze) -> list[tuple[str, str]]:
    """First and last day of every request for candles."""
    return [(asked["from_date"][:10], asked["to_date"][:10]) for asked in server.asked()]


@examples(200)
@given(spans=spans, interval=st.sampled_from(list(INTERVAL_MINUTES)))
def test_chunks_tile_the_spans(spans: list[tuple[date, date]], interval: Interval) -> None:
    """Every day of every span is requested once, and no chunk can fill a reply."""
    chunks = tile(spans, days_per_chunk(interval))
    asked = [chunk.first + timedelta(days=i) for chunk in chunks for i in range(chunk.days)]
    wanted = {first + timedelta(days=i) for first, last in spans for i in range((last - first).days + 1)}
    assert len(asked) == len(set(asked)) and wanted <= set(asked)
    assert asked == sorted(asked) and all(
        chunk.days * most_bars_per_session(interval) < MOST_CANDLES for chunk in chunks
    )
    if len(spans) == 1:
        assert set(asked) == wanted


@examples(50)
@given(first=days, length=st.integers(2, 1000))
def test_halves_are_a_chunk(first: date, length: int) -> None:
    """Both halves have days, and together they are the chunk."""
    (chunk,) = tile([(first, first + timedelta(days=length - 1))], length)
    left, right = chunk.halves()
    assert (left.first, right.last) == (chunk.first, chunk.last)
    assert right.first - left.last == timedelta(days=1) and min(left.days, right.days) >= 1


def test_close_spans_share_a_request() -> None:
    """Scattered missing days cost one request if a chunk can span them."""
    holes = [(date(2024, 1, day), date(2024, 1, day)) for day in (2, 5, 9, 30)]
    assert [(chunk.first.day, chunk.last.day) for chunk in tile(holes, 12)] == [(2, 9), (30, 30)]


def test_read(server: FakeBreeze, tmp_path: Path) -> None:
    """All candles are returned in order, as UTC microseconds of their local time, with prices and volume."""
    turns: list[int] = []
    bars = source(tmp_path, acquire=lambda: turns.append(1)).read("RELIANCE")
    assert (len(bars), bars.findings, bars.adjusted) == (5 * 375, [], False)
    opening = datetime(2024, 1, 1, 9, 15, tzinfo=KOLKATA)
    assert bars.timestamp[0] == opening.timestamp() * 1e6 and (bars.timestamp[1:] > bars.timestamp[:-1]).all()
    expected = candle(opening)
    assert [bars.values[name][0] for name in COLUMNS] == [float(expected[name]) for name in COLUMNS]
    assert bars.locate(375) == "breeze RELIANCE 2024-01-02 09:15"
    assert len(turns) == len(server.asked(fake.LOGIN)) + len(server.asked()) == 1 + 4


def test_requests_are_as_breeze_wants_them(server: FakeBreeze, tmp_path: Path) -> None:
    """Requests have local time with a Z, ISEC's code, exchange and product; one login serves all symbols."""
    for symbol in ("RELIANCE", "M&M"):
        source(tmp_path / symbol, (TUESDAY, WEDNESDAY), interval="5minute").read(symbol)
    assert server.asked()[0] == {
        "interval": "5minute",
        "from_date": "2024-01-02T00:00:00.000Z",
        "to_date": "2024-01-03T23:59:59.000Z",
        "stock_code": "RELIND",
        "exch_code": "NSE",
        "product_type": "cash",
    }
    assert server.asked()[1]["stock_code"] == "MAHMAH"
    assert len(server.asked(fake.LOGIN)) == len(server.asked(fake.MASTER)) == 1


@pytest.mark.parametrize("interval", ("1minute", "5minute", "30minute", "1day"))
def test_every_interval_is_complete(interval: Interval, server: FakeBreeze, tmp_path: Path) -> None:
    """A span is complete at every interval, although replies have at most 1,000 candles."""
    length = days_per_chunk(interval) * 5 // 2
    first = date(2015, 1, 1)
    span = (first, first + timedelta(days=length - 1))
    weekdays = sum((first + timedelta(days=i)).weekday() < 5 for i in range(length))
    bars = source(tmp_path, span, interval=interval).read("RELIANCE")
    assert len(bars) == weekdays * most_bars_per_session(interval) and len(server.asked()) > 1


def test_full_reply_is_split(server: FakeBreeze, tmp_path: Path) -> None:
    """A reply of 1,000 candles may be cut off, so its two halves are requested."""
    server.session_minutes = 700
    bars = source(tmp_path, (MONDAY, TUESDAY)).read("RELIANCE")
    assert len(bars) == len(set(bars.timestamp.tolist())) == 2 * 700
    monday, tuesday = "2024-01-01", "2024-01-02"
    assert requested(server) == [(monday, tuesday), (monday, monday), (tuesday, tuesday)]


def test_full_day_is_an_error(server: FakeBreeze, tmp_path: Path) -> None:
    """A full reply for a single day, which cannot be halved, is an error."""
    server.rows = lambda asked: [candle(datetime(2024, 1, 1, 9, 15))] * 1000
    with pytest.raises(DataError, match=r"1000 1minute candles of RELIANCE for 2024-01-01 alone"):
        source(tmp_path, (MONDAY, TUESDAY)).read("RELIANCE")


@pytest.mark.parametrize(("minutes", "turn"), [(375, 1), (375, 3), (700, 2), (700, 3), (700, 6)])
def test_killed_and_taken_up(turn: int, minutes: int, server: FakeBreeze, tmp_path: Path) -> None:
    """After a kill at any request, also between the halves of a full reply, nothing is requested twice."""
    server.session_minutes = minutes
    whole = source(tmp_path / "other", WORKDAYS).read("RELIANCE")
    once = requested(server)
    server.requests.clear()
    turns = iter(range(1, turn))

    def killed_at_last() -> None:
        if next(turns, None) is None:
            raise Killed

    with pytest.raises(Killed):
        source(tmp_path / "chunks", WORKDAYS, acquire=killed_at_last).read("RELIANCE")
    assert requested(server) == once[: turn - 1]
    again = source(tmp_path / "chunks", WORKDAYS)
    bars = again.read("RELIANCE")
    assert requested(server) == once and (bars.timestamp == whole.timestamp).all()
    assert all((bars.values[name] == whole.values[name]).all() for name in COLUMNS)
    assert again.read("RELIANCE").timestamp.tolist() == bars.timestamp.tolist() and requested(server) == once


def test_damaged_chunk_is_fetched_again(server: FakeBreeze, tmp_path: Path) -> None:
    """A chunk whose file cannot be read is fetched again."""
    source(tmp_path, (MONDAY, TUESDAY)).read("RELIANCE")
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"PAR1")
    assert len(source(tmp_path, (MONDAY, TUESDAY)).read("RELIANCE")) == 2 * 375
    assert len(server.asked()) == 2


def test_today_is_not_kept(server: FakeBreeze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Future days are not requested, and a day that is not over is fetched again the next time."""
    monkeypatch.setattr("workers.bars.breeze.source.today", lambda timezone: WEDNESDAY)
    for _ in range(2):
        source(tmp_path, (MONDAY, date(2024, 6, 30))).read("RELIANCE")
    assert requested(server) == [("2024-01-01", "2024-01-02"), *[("2024-01-03", "2024-01-03")] * 2]


def test_missing_mapping(server: FakeBreeze, tmp_path: Path) -> None:
    """A symbol that is not an NSE code has its own finding; ISEC's codes are not accepted."""
    bars = source(tmp_path).read("INFTEC")
    (finding,) = bars.findings
    assert (len(bars), finding.check, finding.verdict) == (0, Check.MISSING_MAPPING, Verdict.REJECT)
    assert "INFTEC is not in Breeze's security master" in finding.detail and not server.asked()


@pytest.mark.parametrize("success", [None, []])
def test_no_data(success: Any, server: FakeBreeze, tmp_path: Path) -> None:
    """A symbol without candles has no rows and a finding; the empty reply is kept."""
    server.rows = lambda asked: success
    for _ in range(2):
        (finding,) = source(tmp_path).read("INFY").findings
        assert (finding.check, finding.verdict) == (Check.NO_BARS, Verdict.REJECT)
    assert len(server.asked()) == 4


def test_no_day_asked_for(server: FakeBreeze, tmp_path: Path) -> None:
    """Without days there are no bars and no requests."""
    (finding,) = source(tmp_path, (TUESDAY, MONDAY)).read("INFY").findings
    assert finding.check is Check.NO_BARS and not server.requests


def test_bad_rows_are_found(server: FakeBreeze, tmp_path: Path) -> None:
    """Unreadable rows are left out and named, rows of other days are ignored; both names of the time are read."""
    moments = [datetime(2024, 1, 1, 9, 15) + timedelta(minutes=i) for i in range(6)]
    good = candle(moments[0])
    bad = [candle(moments[1], close="abc"), candle(moments[2], volume=None), candle(moments[3], open=float("nan"))]
    other_day = candle(moments[4] - timedelta(days=3), close="abc")
    renamed = {("time" if key == "datetime" else key): value for key, value in candle(moments[5]).items()}
    rows: list[Any] = [good, *bad, other_day, renamed, candle(moments[0], datetime="yesterday"), "row"]
    server.rows = lambda asked: rows
    bars = source(tmp_path, (MONDAY, MONDAY)).read("INFY")
    (finding,) = bars.findings
    assert [bars.locate(row)[-5:] for row in range(len(bars))] == ["09:15", "09:20"]
    assert (finding.check, finding.verdict, finding.count) == (Check.BAD_CELL, Verdict.REJECT, 5)
    for text in ("breeze INFY 2024-01-01 09:16", "'abc'", "volume is None", "2024-01-01..2024-01-01 row 7", "row 8"):
        assert text in finding.where + finding.detail


def test_symbols_and_check(server: FakeBreeze, tmp_path: Path) -> None:
    """A check logs in once and downloads the codes once; of several series the equity's code is used."""
    assert source(tmp_path).symbols() == ["INFY", "M&M", "NIFTY 50", "RELIANCE", "RELIND"]
    server.requests.clear()
    source(tmp_path).check(["M&M", "NOSUCH", "RELIND"])
    assert [name for name, _ in server.requests] == [fake.LOGIN]
    for symbol in ("M&M", "RELIND"):
        source(tmp_path, (MONDAY, MONDAY)).read(symbol)
    assert [asked["stock_code"] for asked in server.asked()] == ["MAHMAH", "OTHER"]


def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch, server: FakeBreeze, tmp_path: Path) -> None:
    """Another time zone than the exchange's and an invalid address are errors before any request."""
    with pytest.raises(RequestError, match="--timezone UTC: Breeze's times are Asia/Kolkata"):
        Breeze(SourceRequest("", "1day", "UTC"))
    monkeypatch.setenv(URL_ENV, "breeze.example:80")
    with pytest.raises(RequestError, match=URL_ENV):
        source(tmp_path)
