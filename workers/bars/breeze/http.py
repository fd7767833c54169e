"""What goes over the wire to Breeze and what each reply means: auth, rate limit, server error, refused, kept apart."""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from schemas.contract.errors import DataError, GurukulError
from workers.bars.breeze.credentials import MASK

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, REPLY_TIMEOUT_S = 10.0, 30.0, 120.0
BLOCK_BYTES = 1 << 16
LOGIN = "customerdetails"
LONGEST_QUOTE = 160
# A reply may hold secrets that are nobody's yet, such as a session key in a login that failed.
CODE = re.compile(r"\b(?=\S*\d)\S{12,}")

# Breeze answers some of these with HTTP 401 or 502, some with HTTP 200 and a Status of its own such as 5 or 500.
RATE_LIMIT = re.compile(r"limit exceed|too many requests", re.IGNORECASE)
# Breeze names the limit and sends no Retry-After: four waits outlast a minute, and nobody waits for another day.
LIMITS_S = {"per minute": 15.0, "per day": 24 * 3600.0}
SESSION = re.compile(
    r"(invalid|expired) session|session( key| token)? (is )?(invalid|expired)|public key does not exist"
    r"|could not authenticate",
    re.IGNORECASE,
)
NO_DATA = re.compile(r"\bno (data|records?)\b", re.IGNORECASE)
EXPIRED_AT_LOGIN = "resource not available"


class AuthError(DataError):
    """Breeze does not accept the key or the session; asking again does not help."""


class Refused(DataError):
    """Breeze will not answer this request, however often it is made."""


class Unavailable(GurukulError, OSError):
    """Breeze does not answer just now. An OSError, as a worker counts those as transient."""

    wait_s: float = 0.0


class RateLimited(Unavailable):
    """More requests than Breeze allows; `wait_s` is what it asked to wait, if it said."""


class ServerError(Unavailable):
    """No reply, a late one, a broken one, or one that says that Breeze is out of order."""


Failure = type[AuthError] | type[Refused] | type[RateLimited] | type[ServerError]

NEXT_STEP: dict[Failure, str] = {
    AuthError: "session tokens end at midnight IST: renew BREEZE_SESSION_TOKEN and check BREEZE_API_KEY in {origin}",
    Refused: "check the days, the interval and GURUKUL_BREEZE_URL",
    RateLimited: "lower --requests-per-minute or go on later: what was fetched is kept",
    ServerError: "go on later: what was fetched is kept",
}


def failure(status: int, text: str, *, login: bool = False) -> Failure | None:
    """What a status and an error text mean; None for a good reply."""
    if status == 429 or RATE_LIMIT.search(text):
        return RateLimited
    if status in (401, 403) or SESSION.search(text) or (login and EXPIRED_AT_LOGIN in text.lower()):
        return AuthError
    if NO_DATA.search(text) or (200 <= status < 300 and not text):
        return None
    return Refused if 400 <= status < 500 and status != 408 else ServerError


class Past(BaseException):
    """Carries an error past the SDK's own `except Exception`, which would hide what kind it is."""

    def __init__(self, error: GurukulError) -> None:
        super().__init__()
        self.error = error


class Reply:
    """What the SDK asks a response for."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def json(self) -> dict[str, Any]:
        return self._body


class Transport:
    """Every request to Breeze: with time limits, and with errors that say what kind they are and hold no secret."""

    def __init__(self, scrub: Callable[[object], str], origin: str) -> None:
        self._scrub, self._origin = scrub, origin

    def get(self, url: str, **request: Any) -> Reply:
        """What the SDK takes for `requests.get`; follows no redirect, as that would carry the session elsewhere."""
        try:
            return Reply(self._json(url, request))
        except GurukulError as error:
            failed = error
        raise Past(failed)

    def download(self, url: str) -> bytes:
        """A file that anyone may have."""
        status, headers, body = self._fetch(url, allow_redirects=True)
        self._refuse(_name(url), status, "", headers)
        return body

    def error(self, kind: Failure, name: str, what: object) -> GurukulError:
        """One line: where, what, what to do next."""
        said = CODE.sub(MASK, " ".join(self._scrub(what).split()))[:LONGEST_QUOTE]
        return kind(f"Breeze {name}: {said}; {NEXT_STEP[kind].format(origin=self._origin)}")

    def _json(self, url: str, request: dict[str, Any]) -> dict[str, Any]:
        """A good reply's body; what else comes is raised, by HTTP's status or by the one that the body gives itself."""
        name = _name(url)
        status, headers, content = self._fetch(url, allow_redirects=False, **request)
        body = _object(content)
        if body is None:
            limited = RATE_LIMIT.search(content[:BLOCK_BYTES].decode(errors="replace"))
            self._refuse(name, status, limited[0] if limited else "", headers)
            raise self.error(ServerError, name, f"HTTP {status} with a body that is not a JSON object")
        self._refuse(name, _status(body) if status == 200 else status, str(body.get("Error") or ""), headers)
        return body

    def _refuse(self, name: str, status: int, said: str, headers: Mapping[str, str]) -> None:
        kind = failure(status, said, login=name == LOGIN)
        if kind is None:
            return
        error = self.error(kind, name, f"status {status} {said}")
        if isinstance(error, Unavailable):
            named_s = [wait_s for limit, wait_s in LIMITS_S.items() if limit in said.lower()]
            error.wait_s = max([retry_after_s(headers.get("Retry-After", "")), *named_s])
        raise error

    def _fetch(self, url: str, **request: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Other libraries' texts are not passed on: they may quote headers."""
        import requests
        from urllib3.exceptions import HTTPError

        deadline = time.monotonic() + REPLY_TIMEOUT_S
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        try:
            with requests.Session() as session, session.get(url, timeout=timeout, stream=True, **request) as reply:
                return reply.status_code, reply.headers, _body(reply.raw, deadline)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            what = f"no whole reply ({type(error).__name__})"
        raise self.error(ServerError, _name(url), what)


def _body(raw: Any, deadline: float) -> bytes:
    """All of a body; a server that sends a byte now and then is too late as well."""
    blocks = []
    while block := raw.read1(BLOCK_BYTES, decode_content=True):
        blocks.append(block)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(blocks)


def retry_after_s(header: str) -> float:
    """Seconds that a Retry-After asks for, written as a number or as a date; 0 if it says nothing."""
    try:
        return max(float(header), 0.0) if header else 0.0
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _status(body: dict[str, Any]) -> int:
    """The status that a reply's body gives itself; one without is good if it has a result."""
    try:
        return int(body.get("Status", 200))
    except (TypeError, ValueError):
        return 200 if body.get("Success") else 500


def _name(url: str) -> str:
    return url.rpartition("/")[2]
