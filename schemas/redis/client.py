"""The only place where Redis clients are made."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from schemas.contract.errors import RequestError
from schemas.contract.identifiers import redact

BROKER_ENV = "GURUKUL_BROKER"

TIMEOUT_S, LONGEST_CONNECT_S = 10.0, 5.0


def connect(url: str, timeout_s: float = TIMEOUT_S, retries: int = 0) -> Redis:
    """A client whose calls raise a RedisError after `timeout_s`; RequestError if `url` is not a URL of Redis.

    Nothing is sent yet. A call is repeated `retries` times at once, by default never: only the caller knows which calls
    may be repeated. A blocking read must block for less than `timeout_s`.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, LONGEST_CONNECT_S),
            retry=Retry(NoBackoff(), retries),
        )
    except ValueError:
        raise RequestError(f"broker {redact(url)!r} is not a URL; write it as redis://HOST:PORT/0") from None
