"""Breeze's HTTP API: login, security master and candles. No error holds a secret, and each states its kind.

The addresses, headers and parameters are those that the vendor's SDK (`breeze-connect` 1.0.69) sends.
"""

import base64
import csv
import io
import json
import logging
import re
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.identifiers import redact
from workers.bars.breeze.credentials import MASK, Credentials, Scrubber
from workers.bars.breeze.failures import (
    LOGIN,
    NEXT_STEP,
    RATE_LIMIT,
    Failure,
    ServerError,
    Unavailable,
    failure,
    wait_s,
)

URL_ENV = "GURUKUL_BREEZE_URL"
HISTORY, MASTER = "historicalcharts", "SecurityMaster.zip"
URLS = {
    LOGIN: "https://api.icicidirect.com/breezeapi/api/v1/customerdetails",
    HISTORY: "https://breezeapi.icicidirect.com/api/v2/historicalcharts",
    MASTER: "https://directlink.icicidirect.com/MotherAppMaster/SecurityMaster.zip",
}
JSON = {"Content-Type": "application/json"}
NSE_MASTER = "NSEScripMaster.txt"
EQUITY = "EQ"

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, REPLY_TIMEOUT_S = 10.0, 30.0, 120.0
BLOCK_BYTES = 1 << 16
LONGEST_QUOTE = 160
# A reply may hold a secret that is not known yet, such as the session key of a login that failed.
CODE = re.compile(r"\b(?=\S*\d)\S{12,}")


@dataclass(frozen=True)
class Session:
    """The headers of an open session; they hold secrets, so its repr shows none of them."""

    headers: dict[str, str] = field(repr=False)


class Client:
    """One login to Breeze. Every method raises AuthError, Refused, RateLimited or ServerError.

    RequestError if the environment names a proxy that httpx cannot use.
    """

    def __init__(self, credentials: Credentials, base_url: str = "") -> None:
        """`base_url` replaces the servers of all addresses. RequestError if it is no URL, or httpx is missing."""
        try:
            import httpx  # noqa: F401
        except ImportError:
            raise RequestError("--source breeze needs the package httpx; run: pip install 'gurukul[breeze]'") from None
        # Both libraries log the headers of replies, in which a secret may come back.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._credentials = credentials
        self._scrub = Scrubber([credentials.api_key, credentials.api_secret, credentials.session_token])
        self._urls = _addresses(base_url)
        self._session = Session(JSON)
        self._codes: dict[str, str] | None = None

    @property
    def logged_in(self) -> bool:
        """Whether `log_in` has succeeded."""
        return "apikey" in self._session.headers

    def log_in(self) -> None:
        """Open a session, which `candles` needs; once is enough."""
        login = {"SessionToken": self._credentials.session_token, "AppKey": self._credentials.api_key}
        reply = self._json(LOGIN, content=json.dumps(login, separators=(",", ":")), headers=JSON)
        try:
            user, key = base64.b64decode(reply["Success"]["session_token"]).decode("ascii").split(":")[:2]
        except (LookupError, TypeError, ValueError) as error:
            kind = type(error).__name__
        else:
            session = base64.b64encode(f"{user}:{key}".encode("ascii")).decode()
            self._scrub.learn(key, session)
            self._session = Session(JSON | {"X-SessionToken": session, "apikey": self._credentials.api_key})
            return
        raise self._error(ServerError, LOGIN, f"a reply of unknown shape ({kind})")

    def codes(self) -> dict[str, str]:
        """ISEC code by NSE code, from the security master; downloaded once, without a login."""
        if self._codes is None:
            status, headers, content = self._fetch(MASTER, follow_redirects=True)
            self._refuse(MASTER, status, "", headers)
            try:
                self._codes = parse_master(content)
            except (zipfile.BadZipFile, KeyError, ValueError, csv.Error) as error:
                what = f"cannot be read ({type(error).__name__}: {error})"
                raise self._error(ServerError, MASTER, what) from None
        return self._codes

    def candles(self, isec: str, interval: str, start: datetime, end: datetime) -> list[dict[str, str | None]]:
        """The candles from `start` to `end`, both included and in the exchange's local time; [] if there are none."""
        asked = {
            "interval": interval,
            "from_date": _stamp(start),
            "to_date": _stamp(end),
            "stock_code": isec,
            "exch_code": "NSE",
            "product_type": "cash",
        }
        rows = self._json(HISTORY, params=asked, headers=self._session.headers).get("Success") or []
        if not isinstance(rows, list):
            raise self._error(ServerError, HISTORY, f"Success is a {type(rows).__name__}, not a list")
        return [self._scrub.within(row if isinstance(row, dict) else {"datetime": row}) for row in rows]

    def _json(self, name: str, **request: Any) -> dict[str, Any]:
        """The body of a good reply; a failure is raised, by HTTP's status or by the one in the body.

        Redirects are not followed: they would send the session to another server.
        """
        status, headers, content = self._fetch(name, follow_redirects=False, **request)
        body = _object(content)
        if body is None:
            limited = RATE_LIMIT.search(content[:BLOCK_BYTES].decode(errors="replace"))
            self._refuse(name, status, limited[0] if limited else "", headers)
            raise self._error(ServerError, name, f"HTTP {status} with a body that is not a JSON object")
        self._refuse(name, _status(body) if status == 200 else status, str(body.get("Error") or ""), headers)
        return body

    def _refuse(self, name: str, status: int, text: str, headers: Mapping[str, str]) -> None:
        """Raise the failure that a reply means, if any."""
        kind = failure(status, text, login=name == LOGIN)
        if kind is None:
            return
        error = self._error(kind, name, f"status {status} {text}")
        if isinstance(error, Unavailable):
            error.wait_s = wait_s(text, headers.get("Retry-After", ""))
        raise error

    def _fetch(self, name: str, **request: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. The texts of httpx's errors are not passed on: they may quote headers."""
        import httpx

        deadline = time.monotonic() + REPLY_TIMEOUT_S
        timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        # Over IPv4 only, as the SDK does; a proxy of the environment decides that by itself.
        proxied = {"all", "http", "https"} & getproxies().keys()
        trusted = _trusted()
        transport = None if proxied else httpx.HTTPTransport(verify=trusted, local_address="0.0.0.0")
        redirects = request.pop("follow_redirects")
        try:
            with (
                httpx.Client(
                    timeout=timeout, verify=trusted, transport=transport, follow_redirects=redirects
                ) as client,
                client.stream("GET", self._urls[name], **request) as reply,
            ):
                return reply.status_code, reply.headers, _body(reply, deadline)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            what = f"no complete reply ({type(error).__name__})"
        except ImportError:
            step = "run: pip install 'httpx[socks]', or unset it"
            raise RequestError(f"the environment names a SOCKS proxy, which httpx cannot use here; {step}") from None
        raise self._error(ServerError, name, what)

    def _error(self, kind: Failure, name: str, what: object) -> GurukulError:
        """One line: where, what, what to do next."""
        text = CODE.sub(MASK, " ".join(self._scrub(what).split()))[:LONGEST_QUOTE]
        return kind(f"Breeze {name}: {text}; {NEXT_STEP[kind].format(origin=self._credentials.origin)}")


@cache
def _trusted() -> SSLContext:
    """The certificates of trusted authorities: to parse them takes 50 ms of CPU, so once per process."""
    import httpx

    return httpx.create_ssl_context()


def parse_master(content: bytes) -> dict[str, str]:
    """ISEC code by NSE code from the zipped security master; of several series the equity's code counts.

    Raises BadZipFile, KeyError, ValueError or csv.Error for anything else.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(NSE_MASTER).decode("utf-8", errors="replace")
    codes: dict[str, str] = {}
    for row in csv.DictReader(io.StringIO(text), skipinitialspace=True):
        nse, isec = (row["ExchangeCode"] or "").strip(), (row["ShortName"] or "").strip()
        if nse and isec and (nse not in codes or (row.get("Series") or "").strip() == EQUITY):
            codes[nse] = isec
    if not codes:
        raise ValueError(f"{NSE_MASTER} holds no code")
    return codes


def _addresses(base_url: str) -> dict[str, str]:
    """Breeze's addresses, on the server of `base_url` unless that is empty, their paths kept."""
    if not base_url:
        return URLS
    if urlsplit(base_url).scheme not in ("http", "https"):
        step = "correct or unset it"
        raise RequestError(f"{URL_ENV} is {redact(base_url)!r}, not an http:// or https:// address; {step}")
    return {name: base_url.rstrip("/") + urlsplit(url).path for name, url in URLS.items()}


def _body(reply: Any, deadline: float) -> bytes:
    """All of a body; TimeoutError if it is not complete by the deadline, however often a byte arrives."""
    blocks = []
    for block in reply.iter_bytes():
        blocks.append(block)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(blocks)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _status(body: dict[str, Any]) -> int:
    """The status in a reply's body; without one, a reply with a result is good."""
    try:
        return int(body.get("Status", 200))
    except (TypeError, ValueError):
        return 200 if body.get("Success") else 500


def _stamp(moment: datetime) -> str:
    """As Breeze expects times in requests: the exchange's local time, with a Z that has no meaning."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
