"""What could not be read: set aside with its place and reason, counted, and otherwise passed over."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis
from redis.exceptions import NoPermissionError

from schemas.contract.received import UnreadableError, received
from schemas.redis.keys import DEAD_LETTER_COUNTS, DEAD_LETTERS
from schemas.redis.script import HEAL, SET_ASIDE

SENT_BYTES = 1024

Printable = Annotated[str, Field(pattern=r"^[ -~]*$")]


class Place(StrEnum):
    """Kind of place where something could not be read."""

    QUEUE = "queue"
    ORDERS = "orders"
    OUTCOMES = "outcomes"
    EVENTS = "events"
    PRESENCE = "presence"
    KEY = "key"


# Names of the places for people.
PLACES = {
    Place.QUEUE: "device queues",
    Place.ORDERS: "orders to workers",
    Place.OUTCOMES: "outcomes",
    Place.EVENTS: "events",
    Place.PRESENCE: "heartbeats",
    Place.KEY: "keys of a wrong type",
}


class DeadLetter(BaseModel):
    """What could not be read: when (Unix time), kind of place, where, why, and its first bytes, escaped."""

    model_config = ConfigDict(frozen=True)

    at: int = Field(ge=0, lt=2**33)
    place: Place
    key: Printable
    reason: Printable
    body: Printable


def set_aside(redis: Redis, place: Place, key: str, reason: str, body: bytes) -> None:
    """Count what could not be read, and keep its first bytes with the last of them; RedisError without a broker."""
    SET_ASIDE.run(redis, [DEAD_LETTERS, DEAD_LETTER_COUNTS], [place, key, reason, body[:SENT_BYTES]])


def heal(redis: Redis, types: Mapping[str, str]) -> None:
    """Remove each of these keys that is not of its type: string, counter, list, hash, zset or stream."""
    HEAL.run(redis, [DEAD_LETTERS, DEAD_LETTER_COUNTS], [json.dumps(types)])


def read_dead_letters(redis: Redis, last: int) -> tuple[dict[Place, int], list[DeadLetter]]:
    """How many dead letters there were per kind of place since a week without any, and the `last`, newest first.

    With `last` 0 none is read.
    """
    with redis.pipeline(transaction=False) as pipe:
        pipe.hmget(DEAD_LETTER_COUNTS, list(Place))
        if last:  # a range that ends at -1 is the whole list
            pipe.lrange(DEAD_LETTERS, 0, last - 1)
        replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, NoPermissionError):
            raise reply
    counts, found = replies[0], []
    for body in replies[1] if last and isinstance(replies[1], list) else ():
        try:
            found.append(received(DeadLetter, body))
        except UnreadableError:
            continue
    numbers = counts if isinstance(counts, list) else []
    return {place: int(number) for place, number in zip(Place, numbers, strict=False) if _is_count(number)}, found


def _is_count(number: Any) -> bool:
    return isinstance(number, bytes) and number.isdigit() and len(number) < 16
