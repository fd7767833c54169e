"""Classifies the replies of Breeze: kinds of error, and the seconds to wait before the next request."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from schemas.contract.errors import DataError, GurukulError

LOGIN = "customerdetails"

# Breeze sends some of these with HTTP 401 or 502, and some with HTTP 200 and a Status in the body, such as 5 or 500.
RATE_LIMIT = re.compile(r"limit exceed|too many requests", re.IGNORECASE)
# Breeze names the limit and sends no Retry-After. Four waits are longer than a minute; a day is too long to wait.
LIMITS_S = {"per minute": 15.0, "per day": 24 * 3600.0}
SESSION = re.compile(
    r"(invalid|expired) session|session( key| token)? (is )?(invalid|expired)|public key does not exist"
    r"|could not authenticate",
    re.IGNORECASE,
)
NO_DATA = re.compile(r"\bno (data|records?)\b", re.IGNORECASE)
EXPIRED_AT_LOGIN = "resource not available"


class AuthError(DataError):
    """Breeze does not accept the key or the session. Trying again does not help."""


class Refused(DataError):
    """Breeze refuses this request. Trying again does not help."""


class Unavailable(GurukulError, OSError):
    """Breeze does not answer at the moment. An OSError, because workers count those as transient."""

    wait_s: float = 0.0


class RateLimited(Unavailable):
    """More requests than Breeze allows. `wait_s` is the wait that it asks for, 0 if it names none."""


class ServerError(Unavailable):
    """No reply, a late or broken one, or one that reports a failure of the server."""


Failure = type[AuthError] | type[Refused] | type[RateLimited] | type[ServerError]

NEXT_STEP: dict[Failure, str] = {
    AuthError: "session tokens end at midnight IST: renew BREEZE_SESSION_TOKEN and check BREEZE_API_KEY in {origin}",
    Refused: "check the days, the interval and GURUKUL_BREEZE_URL",
    RateLimited: "lower --requests-per-minute or continue later: what was fetched is kept",
    ServerError: "continue later: what was fetched is kept",
}


def failure(status: int, text: str, *, login: bool = False) -> Failure | None:
    """The kind of failure that a status and an error text mean; None for a good reply."""
    if status == 429 or RATE_LIMIT.search(text):
        return RateLimited
    if status in (401, 403) or SESSION.search(text) or (login and EXPIRED_AT_LOGIN in text.lower()):
        return AuthError
    if NO_DATA.search(text) or (200 <= status < 300 and not text):
        return None
    return Refused if 400 <= status < 500 and status != 408 else ServerError


def wait_s(text: str, retry_after: str) -> float:
    """Seconds to wait before the next request: the longer of what the error text and the header ask for."""
    named_s = [seconds for limit, seconds in LIMITS_S.items() if limit in text.lower()]
    return max([retry_after_s(retry_after), *named_s])


def retry_after_s(header: str) -> float:
    """Seconds of a Retry-After header, which is a number or a date; 0 for anything else."""
    try:
        return max(float(header), 0.0) if header else 0.0
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0
