"""The shares of the runs of a fleet, in Redis."""

from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from schemas.contract.received import UnreadableError, received
from schemas.contract.share import SHARE_EXPIRY_S, Share
from schemas.redis.keys import DEAD_LETTER_COUNTS, DEAD_LETTERS, SHARES
from schemas.redis.script import SHARE

MOST_RUNS = 1000


def publish_share(redis: Redis, run_id: str, share: Share) -> dict[str, Share]:
    """Publish a run's share for some seconds; returns those of the other runs, in one round trip.

    What cannot be read is no share. RedisError without a broker.
    """
    keys = [SHARES, DEAD_LETTERS, DEAD_LETTER_COUNTS]
    arguments: list[str | bytes | int] = [run_id, share.model_dump_json(), int(SHARE_EXPIRY_S * 1000), MOST_RUNS]
    reply: list[bytes] = SHARE.run(redis, keys, arguments)
    found = {}
    for name, body in zip(reply[::2], reply[1::2], strict=True):
        try:
            found[name.decode(errors="backslashreplace")] = received(Share, body)
        except UnreadableError:
            continue
    return found


def read_shares(redis: Redis) -> dict[str, Share]:
    """The valid shares of all runs, by run; empty if the key holds something else. RedisError without a broker."""
    client: Any = redis
    try:
        if client.hlen(SHARES) > MOST_RUNS:
            return {}
        (seconds, microseconds), kept = client.time(), client.hgetall(SHARES)
    except ResponseError as error:
        if "WRONGTYPE" not in str(error):
            raise
        return {}
    found = {}
    for name, value in kept.items():
        at_ms, _, body = value.partition(b" ")
        try:
            if at_ms.isdigit() and abs(seconds + microseconds / 1e6 - int(at_ms) / 1000) < SHARE_EXPIRY_S:
                found[name.decode(errors="backslashreplace")] = received(Share, body)
        except UnreadableError:
            continue
    return dict(sorted(found.items()))
