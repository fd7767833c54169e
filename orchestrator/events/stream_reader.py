"""Read the entries of a stream after a cursor, and detect that the stream was written anew."""

from redis import Redis
from redis.exceptions import ResponseError

from schemas.contract.received import MOST_BYTES
from schemas.redis.script import LAST_ENTRY, READ_STREAM


def began_anew(redis: Redis, stream: str, cursor: str) -> bool:
    """Whether the stream ends before `cursor`: a broker that lost it writes a new one, with ids of its own clock."""
    last: bytes = LAST_ENTRY.run(redis, [stream])
    return bool(last) and _position(last.decode()) < _position(cursor)


def _position(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def read_beyond(
    redis: Redis, stream: str, cursor: str, field: str, count: int, block_ms: int | None
) -> list[tuple[str, bytes]]:
    """Return (cursor, value of `field`) of the next entries; empty after `block_ms`, or at once if that is None.

    At most `count` entries are read, of any content. A value longer than MOST_BYTES is cut one byte after them.
    """
    entries = _read(redis, stream, cursor, field, count)
    try:
        # Only to wait: what this reads is not cut.
        if entries or not block_ms or not redis.xread({stream: cursor}, count=1, block=block_ms):
            return entries
    except ResponseError:
        return []
    return _read(redis, stream, cursor, field, count)


def _read(redis: Redis, stream: str, cursor: str, field: str, count: int) -> list[tuple[str, bytes]]:
    reply: list[bytes] = READ_STREAM.run(redis, [stream], [cursor, count, field, MOST_BYTES + 1])
    return [(entry.decode(), value) for entry, value in zip(reply[::2], reply[1::2], strict=True)]
