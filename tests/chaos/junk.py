"""Throws junk at every queue, stream, channel and key of a run, from a thread, until it is stopped."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from redis import Redis
from redis.exceptions import ResponseError

from schemas.redis.keys import (
    DEVICES,
    PRESENCES,
    alone_key,
    attempts_key,
    events_stream,
    outcomes_stream,
    sequence_key,
    telemetry_channel,
)
from tests.chaos.forgeries import announce
from tests.schemas.redis.test_dead_letters import WRONG, plant

PAUSE_S = 0.004
SEED = 20261129

_DICE = random.Random(SEED)
ITEMS = (
    *(_DICE.randbytes(_DICE.randrange(200)) for _ in range(50)),
    b"null", b"[]", b"{}", b"NaN", b"[" * 5000, b'{"headers":{"id":7}}', b'{"method":"revoke"}', b"x" * 10**6,
)  # fmt: skip


class Thrower:
    """Throws `items`, and parts of what is really there, at a run on `device`; `thrown` counts by place."""

    def __init__(self, redis: Redis, run_id: str, device: str, items: Sequence[bytes]) -> None:
        self._redis, self._run_id, self._device, self._items = redis, run_id, device, items
        self._dice = random.Random(SEED)
        self._stop = threading.Event()
        self.thrown: dict[str, int] = {}
        self.error: Exception | None = None

    def run(self) -> None:
        """Throw without an end: mostly small junk, and each key once as another type."""
        places: dict[str, Callable[[bytes], object]] = {
            "queue": self._into_queue,
            "outcomes": lambda item: self._into_stream(outcomes_stream(self._run_id), "outcome", item),
            "events": lambda item: self._into_stream(events_stream(self._run_id), "event", item),
            "presence": self._as_heartbeat,
            "orders": lambda item: self._redis.publish(self._dice.choice(self._channels()), item),
            "reservation": lambda item: self._redis.set(alone_key("x" + str(self._dice.random())), item, px=500),
        }
        keys = self._keys()
        self._dice.shuffle(keys)
        try:
            while not self._stop.wait(PAUSE_S):
                place = self._dice.choice(list(places))
                with suppress(ResponseError):  # the key is of another type at this moment
                    places[place](self._dice.choice(self._items))
                self.thrown[place] = self.thrown.get(place, 0) + 1
                if keys and sum(self.thrown.values()) % 100 == 0:
                    plant(self._redis, keys.pop(), self._dice.choice(WRONG))
                    self.thrown["key"] = self.thrown.get("key", 0) + 1
        except Exception as error:
            self.error = error

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()

    def _keys(self) -> list[str]:
        own = [attempts_key(self._run_id), outcomes_stream(self._run_id), events_stream(self._run_id)]
        shared = [DEVICES, PRESENCES, self._device]
        return [*own, sequence_key(self._run_id), *shared]

    def _channels(self) -> list[str]:
        return ["/0.celery.pidbox", "/0.reply.celery.pidbox", telemetry_channel(self._run_id)]

    def _into_queue(self, item: bytes) -> None:
        real = self._redis.lrange(self._device, 0, 0)
        if real and self._dice.random() < 0.5:
            item = bytes(real[0])[: self._dice.randrange(max(len(real[0]), 1))]  # type: ignore[arg-type]
        self._dice.choice((self._redis.lpush, self._redis.rpush))(self._device, item)

    def _into_stream(self, stream: str, field: str, item: bytes) -> None:
        self._redis.xadd(stream, {self._dice.choice((field, field, "another")): item}, maxlen=100_000)

    def _as_heartbeat(self, item: bytes) -> None:
        announce(self._redis, f"junk{self._dice.randrange(50)}", item)


@contextmanager
def throwing(redis: Redis, run_id: str, device: str, items: Sequence[bytes]) -> Iterator[Thrower]:
    """Throw junk for as long as the block runs."""
    thrower = Thrower(redis, run_id, device, items)
    thread = threading.Thread(target=thrower.run, daemon=True)
    thread.start()
    try:
        yield thrower
    finally:
        thrower.stop()
        thread.join(10)
        assert thrower.error is None, thrower.error
