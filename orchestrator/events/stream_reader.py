"""Read the entries of a stream after a cursor, and detect that the stream was written anew."""

from typing import Any

from redis import Redis


def began_anew(redis: Redis, stream: str, cursor: str) -> bool:
    """Whether the stream ends before `cursor`: a broker that lost it writes a new one, with ids of its own clock."""
    last: Any = redis.xrevrange(stream, count=1)
    return bool(last) and _position(last[0][0].decode()) < _position(cursor)


def _position(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def read_beyond(
    redis: Redis, stream: str, cursor: str, field: str, count: int, block_ms: int | None
) -> list[tuple[str, bytes]]:
    """Return (cursor, value of `field`) of the next entries; empty after `block_ms`, or at once if that is None."""
    answer: Any = redis.xread({stream: cursor}, count=count, block=block_ms)
    if not answer:
        return []
    # Protocol 3 answers with a mapping of streams to one list of entries, protocol 2 with pairs.
    entries = next(iter(answer.values()))[0] if isinstance(answer, dict) else answer[0][1]
    return [(entry_id.decode(), fields[field.encode()]) for entry_id, fields in entries]
