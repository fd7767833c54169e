"""The only place where Redis clients are made."""

import os

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from schemas.contract.broker_address import INSECURE_TLS_ENV, BrokerAddress
from schemas.contract.errors import RequestError
from schemas.redis.connections import connection_class

BROKER_ENV = "GURUKUL_BROKER"

TIMEOUT_S, LONGEST_CONNECT_S = 10.0, 5.0


def connect(url: str, timeout_s: float = TIMEOUT_S, retries: int = 0) -> Redis:
    """A client whose calls raise a RedisError after `timeout_s`; RequestError if `url` is not a URL of Redis.

    Nothing is sent yet. A server that refuses a write is left: the next call connects to what the address then names. A
    call is repeated `retries` times at once, by default never: only the caller knows which calls may be repeated. A
    blocking read must block for less than `timeout_s`.
    """
    address = address_of(url)
    pool = ConnectionPool(
        connection_class=connection_class(address),
        **address.redis_options(),
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, LONGEST_CONNECT_S),
        retry=Retry(NoBackoff(), retries),
    )
    return Redis.from_pool(pool)


def address_of(url: str) -> BrokerAddress:
    """The address that `url` names, as this process connects to it.

    RequestError, without any part of the URL, if it names none.
    """
    try:
        address = BrokerAddress.parse(url)
    except ValueError as error:
        raise RequestError(f"the broker's URL {error}; write redis://USER:PASSWORD@HOST:PORT/0") from None
    return address.unverified() if os.environ.get(INSECURE_TLS_ENV) == "true" else address
