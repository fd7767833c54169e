"""Bars from ICICI Direct's Breeze, fetched in chunks below its limit per reply; a killed ingest can be continued."""

import logging
import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from schemas.config.interval import Interval, most_bars_per_session
from schemas.contract.errors import DataError, RequestError
from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.breeze.chunks import Chunk, ChunkStore, Row, tile
from workers.bars.breeze.client import URL_ENV, Client
from workers.bars.breeze.credentials import Credentials
from workers.bars.breeze.failures import AuthError, Unavailable
from workers.bars.files.columns import number
from workers.bars.files.faults import Faults
from workers.bars.files.local_time import Zone, local_days
from workers.bars.files.timestamps import from_text
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS, Ints
from workers.bars.sources.source_protocol import Source, SourceRequest

logger = logging.getLogger(__name__)

NSE_TIMEZONES = ("Asia/Kolkata", "Asia/Calcutta")
MOST_CANDLES = 1000
# Room in each request for candles before and after the session's hours.
SPARE_CANDLES = 20

TRIES = 5
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
# The longest total wait that the server may ask for, per request.
LONGEST_RETRY_AFTER_S = 300.0

EPOCH = date(1970, 1, 1)
TIME, OTHER_TIME = "datetime", "time"

T = TypeVar("T")


class Breeze(Source):
    """Reads bars of NSE's cash market, on the days of the request's `spans` up to today.

    Replies are kept in the request's `chunk_folder`. Raises RequestError, AuthError and Refused, which are never
    retried, and RateLimited and ServerError after `TRIES` tries.
    """

    def __init__(self, request: SourceRequest, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if request.timezone not in NSE_TIMEZONES:
            zone = f"--timezone {request.timezone}"
            raise RequestError(f"{zone}: Breeze's times are {NSE_TIMEZONES[0]}; leave the flag out")
        self.timezone = request.timezone
        self._interval = request.interval
        self._acquire, self._sleep = request.acquire, sleep
        self._store = ChunkStore(request.chunk_folder, (TIME, *COLUMNS))
        self._today = today(request.timezone)
        until_today = [(first, min(last, self._today)) for first, last in request.spans]
        self._chunks = tile(until_today, days_per_chunk(request.interval))
        self._client = _client(Credentials.load(request.secrets_file), os.environ.get(URL_ENV, ""), self._today)

    def symbols(self) -> list[str]:
        """Every NSE code of the security master."""
        return sorted(self._codes())

    def check(self, symbols: Sequence[str]) -> None:
        """Log in and download the security master; AuthError or RequestError if that fails.

        A symbol that is not in the master is no error here: it gets a finding of its own when it is read.
        """
        try:
            self._log_in()
            self._codes()
        except Unavailable as error:
            failed = RequestError(str(error))
        else:
            return
        raise failed

    def read(self, symbol: str) -> RawBars:
        """All candles of the spans; a symbol without code or candles has no rows and one finding with the reason."""
        if not self._chunks:
            return _no_rows(symbol, Check.NO_BARS, "no day was requested; give a start date that is not after today")
        isec = self._codes().get(symbol)
        if isec is None:
            step = "check its spelling in NSE's list, or leave it out"
            return _no_rows(symbol, Check.MISSING_MAPPING, f"{symbol} is not in Breeze's security master; {step}")
        gathered = _Gathered(symbol, self.timezone)
        for chunk in self._chunks:
            for part, rows in self._fetched(symbol, isec, chunk):
                gathered.add(part, rows)
        bars = gathered.bars()
        if len(bars) or bars.findings:
            return bars
        days = f"{self._chunks[0].first} to {self._chunks[-1].last}"
        return _no_rows(symbol, Check.NO_BARS, f"Breeze has no {self._interval} candle from {days}; ask for other days")

    def _log_in(self) -> None:
        if not self._client.logged_in:
            self._ask(self._client.log_in)

    def _codes(self) -> dict[str, str]:
        return self._ask(self._client.codes, acquire=lambda: None)

    def _fetched(self, symbol: str, isec: str, chunk: Chunk) -> list[tuple[Chunk, list[Row]]]:
        """A chunk's rows. If its reply was full, later candles were cut off, and both halves are fetched instead."""
        rows = self._store.read(symbol, self._interval, chunk)
        if rows is None:
            rows = self._request(isec, chunk)
            if chunk.last < self._today:
                self._store.write(symbol, self._interval, chunk, rows)
        if len(rows) < MOST_CANDLES:
            return [(chunk, rows)]
        if chunk.days == 1:
            raise DataError(
                f"Breeze sent {len(rows)} {self._interval} candles of {symbol} for {chunk.first} alone, which is its"
                " limit per reply, so some may be missing; use a longer interval"
            )
        return [found for half in chunk.halves() for found in self._fetched(symbol, isec, half)]

    def _request(self, isec: str, chunk: Chunk) -> list[Row]:
        start, end = datetime.combine(chunk.first, clock()), datetime.combine(chunk.last, clock(23, 59, 59))
        self._log_in()
        candles = self._ask(lambda: self._client.candles(isec, self._interval, start, end))
        return [{TIME: row.get(TIME) or row.get(OTHER_TIME), **{c: row.get(c) for c in COLUMNS}} for row in candles]

    def _ask(self, call: Callable[[], T], *, acquire: Callable[[], object] | None = None) -> T:
        """Wait for a turn and return `call()`; retry after Unavailable, with random waits that may double."""
        tries, asked_s = 0, 0.0
        while True:
            (acquire or self._acquire)()
            tries += 1
            try:
                return call()
            except Unavailable as error:
                last = error
            except AuthError:
                _client.cache_clear()
                raise
            asked_s += last.wait_s
            if tries == TRIES or asked_s > LONGEST_RETRY_AFTER_S:
                asked = f"; the server asks to wait {last.wait_s:.0f} s" if tries < TRIES else ""
                raise type(last)(f"{last}{asked} (try {tries} of {TRIES})")
            wait_s = backoff_s(tries, last.wait_s)
            logger.info("%s (try %d of %d, next try in %.0f s)", last, tries, TRIES, wait_s)
            self._sleep(wait_s)


class _Gathered:
    """Collects one symbol's rows, chunk by chunk: readable ones as arrays, the others as faults."""

    def __init__(self, symbol: str, timezone: str) -> None:
        self._symbol, self._timezone = symbol, timezone
        self._faults = Faults()
        self._times: list[Ints] = [np.zeros(0, dtype=np.int64)]
        self._values: list[list[float]] = []

    def add(self, chunk: Chunk, rows: list[Row]) -> None:
        """Take the rows of a chunk's days; rows of other days were not requested."""
        instants, unreadable = from_text(pa.array([row[TIME] for row in rows], pa.string()), Zone(self._timezone))
        days = local_days(instants, self._timezone)
        good = []
        for index, row in enumerate(rows):
            if index in unreadable:
                where = f"breeze {self._symbol} {chunk} row {index + 1}"
                self._faults.add(Check.BAD_CELL, where, unreadable[index])
            elif not chunk.first <= EPOCH + timedelta(days=int(days[index])) <= chunk.last:
                continue
            elif self._take(instants[index], row):
                good.append(index)
        self._times.append(instants[good])

    def _take(self, instant: int, row: Row) -> bool:
        values = [number(row[column] or "") for column in COLUMNS]
        bad = [name for name, value in zip(COLUMNS, values, strict=True) if value is None or not np.isfinite(value)]
        for name in bad:
            self._faults.add(Check.BAD_CELL, self._where(instant), f"{name} is {row[name]!r}, not a number")
        if not bad:
            self._values.append([float(value or 0) for value in values])
        return not bad

    def bars(self) -> RawBars:
        """All readable rows, and the findings on the others."""
        times = np.concatenate(self._times)
        table = np.array(self._values, dtype=np.float64).reshape(-1, len(COLUMNS))
        values = {name: np.ascontiguousarray(table[:, place]) for place, name in enumerate(COLUMNS)}
        return RawBars(times, values, lambda row: self._where(times[row]), self._faults.findings())

    def _where(self, instant: int) -> str:
        local = datetime.fromtimestamp(int(instant) / 1e6, ZoneInfo(self._timezone))
        return f"breeze {self._symbol} {local:%Y-%m-%d %H:%M}"


def today(timezone: str) -> date:
    """The current date at the exchange."""
    return datetime.now(ZoneInfo(timezone)).date()


def days_per_chunk(interval: Interval) -> int:
    """Calendar days per request; even if each is a session, the reply stays below the limit."""
    return (MOST_CANDLES - SPARE_CANDLES) // most_bars_per_session(interval)


def backoff_s(tries: int, asked_s: float) -> float:
    """Seconds to wait after `tries` tries: what the server asked for, plus a random part below a limit that doubles."""
    return asked_s + random.uniform(0, min(FIRST_BACKOFF_S * 2 ** (tries - 1), LONGEST_BACKOFF_S))


@lru_cache(maxsize=1)
def _client(credentials: Credentials, url: str, _today: date) -> Client:
    """The login of this process, one per day because sessions end at midnight."""
    return Client(credentials, url)


def _no_rows(symbol: str, check: Check, detail: str) -> RawBars:
    finding = Finding(check=check, verdict=Verdict.REJECT, count=1, where=f"breeze {symbol}", detail=detail)
    none = np.zeros(0, dtype=np.int64)
    return RawBars(none, {name: np.zeros(0) for name in COLUMNS}, lambda row: f"breeze {symbol}", [finding])
