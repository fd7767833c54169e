"""The shares of the runs of a fleet, in Redis."""

from redis import Redis

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
