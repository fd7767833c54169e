"""A local server that replies as Breeze does: its formats, its limit of 1,000 candles, and its failures."""

import base64
import io
import json
import socket
import struct
import threading
import zipfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from schemas.config.interval import Interval
from workers.bars.breeze.client import URL_ENV
from workers.bars.breeze.source import Breeze, _client
from workers.bars.sources.source_protocol import SourceRequest

API_KEY, API_SECRET, SESSION_TOKEN = "planted=key/1+9", "planted&secret~77", "planted50123456"
USER, SESSION_KEY = "AB123456", "planted98765432"
BASE64_SESSION = base64.b64encode(f"{USER}:{SESSION_KEY}".encode()).decode()

LOGIN, HISTORY, MASTER = "customerdetails", "historicalcharts", "SecurityMaster.zip"
CAP = 1000
MINUTES = {"1minute": 1, "5minute": 5, "30minute": 30, "1day": 24 * 60}
HEADER = (
    '"Token", "ShortName", "Series", "CompanyName", "ticksize", "Lotsize", "DateOfListing", "DateOfDeListing",'
    ' "IssuePrice", "FaceValue", "ISINCode", "52WeeksHigh", "52WeeksLow", "ExchangeCode"'
)
CODES = [
    ("RELIANCE", "RELIND", "EQ"),
    ("INFY", "INFTEC", "EQ"),
    ("M&M", "MAHMA1", "BE"),
    ("M&M", "MAHMAH", "EQ"),
    ("RELIND", "OTHER", "EQ"),
    ("NIFTY 50", "NIFTY", "0"),
]

Handler = BaseHTTPRequestHandler
Fault = Callable[["FakeBreeze", Handler], None]
Candle = dict[str, Any]


class FakeBreeze:
    """`faults[ENDPOINT]` are sent first, one per request; `requests` are all requests in order.

    `trouble` returns the fault of a request for candles, if any; `codes` is the content of the security master.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.trouble: Callable[[dict[str, str]], Fault | None] = lambda asked: None
        self.codes = CODES
        self.session_minutes = 375
        self.rows: Callable[[dict[str, str]], list[Candle] | None] = self.candles
        self.stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "FakeBreeze":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked(self, endpoint: str = HISTORY) -> list[dict[str, str]]:
        """The parameters of every request to an endpoint."""
        return [parameters for name, parameters in self.requests if name == endpoint]

    def candles(self, asked: dict[str, str]) -> list[Candle]:
        """Candles of weekdays from 09:15, as rising numbers; the first `CAP` of the requested ones."""
        start, end = (datetime.fromisoformat(asked[name].removesuffix(".000Z")) for name in ("from_date", "to_date"))
        step = MINUTES[asked["interval"]]
        found = []
        day = start.replace(hour=0, minute=0, second=0)
        while day <= end:
            opening = day if step == MINUTES["1day"] else day + timedelta(hours=9, minutes=15)
            moments = [opening + timedelta(minutes=m) for m in range(0, self.session_minutes, step)]
            found += [candle(each) for each in moments if start <= each <= end and day.weekday() < 5]
            day += timedelta(days=1)
        return found[:CAP]

    def answer(self, handler: Handler, endpoint: str, parameters: dict[str, str]) -> None:
        """Record a request and send the next fault, or a good reply."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.requests.append((endpoint, parameters))
        if self.faults[endpoint]:
            self.faults[endpoint].popleft()(self, handler)
        elif endpoint == MASTER:
            send(handler, 200, security_master(self.codes), kind="application/zip")
        elif endpoint == LOGIN:
            good = json.loads(body) == {"SessionToken": SESSION_TOKEN, "AppKey": API_KEY}
            send_json(handler, logged_in() if good else failed(401, "Invalid session."))
        elif (handler.headers["X-SessionToken"], handler.headers["apikey"]) != (BASE64_SESSION, API_KEY):
            send_json(handler, failed(401, "Unauthorized"))
        elif fault := self.trouble(parameters):
            fault(self, handler)
        else:
            send_json(handler, {"Error": None, "Status": 200, "Success": self.rows(parameters)})


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, which is part of these tests."""


def _handler(fake: FakeBreeze) -> type[Handler]:
    class Answers(Handler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            fake.answer(self, url.path.rpartition("/")[2], dict(parse_qsl(url.query)))

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Answers


def candle(moment: datetime, **changed: Any) -> Candle:
    """One candle in Breeze's format; its prices depend on its time."""
    price = 100 + moment.hour + moment.minute / 100
    return {
        "close": price + 0.05,
        "datetime": f"{moment:%Y-%m-%d %H:%M:%S}",
        "exchange_code": "NSE",
        "high": price + 0.1,
        "low": price - 0.1,
        "open": str(price),
        "stock_code": "RELIND",
        "volume": 1000 + moment.minute,
    } | changed


def security_master(codes: list[tuple[str, str, str]]) -> bytes:
    """The zip that lists (NSE code, ISEC code, series), in the layout of the real one."""
    rows = [f'"{i}","{isec}","{series}","SOME LTD",0.05,1,"","",0,10,"INE",9,1,"{nse}"' for i, (nse, isec, series) in
            enumerate(codes)]  # fmt: skip
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("NSEScripMaster.txt", "\r\n".join([HEADER, *rows]) + "\r\n")
    return content.getvalue()


def logged_in() -> dict[str, Any]:
    return {"Success": {"session_token": BASE64_SESSION, "idirect_userid": USER}, "Status": 200, "Error": None}


def failed(status: int, error: str) -> dict[str, Any]:
    return {"Success": None, "Status": status, "Error": error}


def send(
    handler: Handler, status: int, body: bytes, kind: str = "text/html", headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def send_json(handler: Handler, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
    send(handler, status, json.dumps(body).encode(), "application/json", headers)


def html(status: int, text: str = "<html><h1>out of order</h1></html>", **headers: str) -> Fault:
    """An HTML page, as a proxy sends it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda fake, handler: send(handler, status, text.encode(), headers=named)


def in_body(status: int, error: str, http: int = 200) -> Fault:
    """A failure that is only in the body."""
    return lambda fake, handler: send_json(handler, failed(status, error), http)


def json_body(body: Any) -> Fault:
    return lambda fake, handler: send_json(handler, body)


def broken_json(fake: FakeBreeze, handler: Handler) -> None:
    send(handler, 200, b'{"Success": [{"datetime": "2024-01-0', "application/json")


def cut_short(fake: FakeBreeze, handler: Handler) -> None:
    """A body shorter than its Content-Length."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"Success": [')


def slow(fake: FakeBreeze, handler: Handler) -> None:
    """No reply until long after every limit."""
    fake.stopped.wait(30)


def dripping(fake: FakeBreeze, handler: Handler) -> None:
    """One byte at a time, so that no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not fake.stopped.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def reset(fake: FakeBreeze, handler: Handler) -> None:
    """A connection reset in the middle."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBreeze]:
    """A fake Breeze, and an environment with its address and good credentials; no session is open."""
    settings = {"BREEZE_API_KEY": API_KEY, "BREEZE_API_SECRET": API_SECRET, "BREEZE_SESSION_TOKEN": SESSION_TOKEN}
    with FakeBreeze() as server:
        for name, value in {**settings, URL_ENV: server.url, "NO_PROXY": "127.0.0.1"}.items():
            monkeypatch.setenv(name, value)
        _client.cache_clear()
        yield server


def source(chunks: Path, *spans: tuple[date, date], interval: Interval = "1minute", **more: Any) -> Breeze:
    """A source of the first week of 2024, or of other spans, that does not sleep."""
    days = spans or [(date(2024, 1, 1), date(2024, 1, 7))]
    acquire = more.get("acquire", lambda: None)
    request = SourceRequest("", interval, "Asia/Kolkata", days, chunks, acquire)
    return Breeze(request, sleep=more.get("sleep", lambda seconds: None))
