"""Connections of workers and of their pool children to the broker."""

import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from redis import Redis
from redis.exceptions import RedisError

from schemas.contract.errors import RequestError
from schemas.redis import client
from schemas.redis.client import BROKER_ENV
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0


def connect(timeout_s: float, retries: int = 0) -> Redis:
    """A client for the broker in the environment; each try waits at most `timeout_s`."""
    url = os.environ.get(BROKER_ENV)
    if not url:
        raise RequestError(f"{BROKER_ENV} is not set; give --broker redis://HOST:PORT/0")
    return client.connect(url, timeout_s, retries)


@lru_cache(maxsize=1)
def shared() -> Redis:
    """A pool child's connection: for what it sets aside, the pace of its requests, and its outcome if it must end."""
    return connect(timeout_s=5.0, retries=1)


def patiently(call: Callable[[], T]) -> T:
    """The result of `call`, repeated for as long as the broker does not answer: a result is worth the wait."""
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return call()
        except RedisError as error:
            logger.warning("the broker %s; trying again in %.2f s", trouble(error), wait_s)
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
