"""The worker's own connection to the broker, for heartbeats, events and outcomes."""

import os
from functools import lru_cache

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from schemas.errors import RequestError
from schemas.wire import BROKER_ENV


def connect(timeout_s: float, retries: int = 0) -> Redis:
    """A client for the broker in the environment; each try waits at most `timeout_s`."""
    url = os.environ.get(BROKER_ENV)
    if not url:
        raise RequestError(f"{BROKER_ENV} is not set; give --broker redis://HOST:PORT/0")
    retry = Retry(ExponentialBackoff(cap=2.0, base=0.1), retries)
    return Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=retry)


@lru_cache(maxsize=1)
def shared() -> Redis:
    """This process's connection for events and outcomes; it keeps trying for about a minute."""
    return connect(timeout_s=5.0, retries=30)
