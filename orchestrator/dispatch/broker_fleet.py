"""The fleet behind a broker: queues are Celery's, everything else is Redis."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel
from redis import Redis
from redis.exceptions import ResponseError

from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.fleet import Look
from orchestrator.dispatch.presence_reader import PresenceReader
from orchestrator.dispatch.work import Sent
from orchestrator.events.stream_reader import began_anew, read_beyond
from schemas.contract.received import MOST_BYTES, UnreadableError, received
from schemas.contract.share import Share
from schemas.contract.task import Outcome
from schemas.redis.attempt_id import AttemptId, run_prefix
from schemas.redis.attempts import allow, claimants, recall, unclaimed
from schemas.redis.dead_letters import Place, heal, set_aside
from schemas.redis.keys import (
    CORDONED,
    RUN_KEYS_LINGER_S,
    SHARES,
    attempts_key,
    events_stream,
    outcomes_stream,
    sequence_key,
)
from schemas.redis.presences import read_presences, release, reserve
from schemas.redis.script import READ_QUEUE
from schemas.redis.shares import publish_share
from schemas.redis.signing import NO_KEY, FleetKey, Kind

START = "0-0"
BLOCK_MS = 50
BATCH = 256
MOST_JUNK_BATCHES = 100
# Outcomes that were read are removed from the stream in steps of so many; 1,000,000 windows have 2,000,000.
MOST_READ = 10_000
# A device's queue holds an attempt or two of each run, unless something floods it.
MOST_QUEUED = 10_000
MOST_HEALED = 50


class BrokerFleet:
    """A run's access to the devices on a broker; implements `Fleet`."""

    def __init__(
        self, run_id: str, redis: Redis, client: CeleryClient, *, key: FleetKey = NO_KEY, began: str = "",
        presence_reader: PresenceReader | None = None, block_ms: int | None = BLOCK_MS,
        prefetch: Callable[[Sequence[Outcome]], None] = lambda outcomes: None,
    ) -> None:  # fmt: skip
        """`began` distinguishes the run from earlier ones of its name, whose outcomes do not count.

        `prefetch` is called with outcomes that come together, before the first of them is yielded.
        """
        self._run_id, self._redis, self._client, self._key, self._began = run_id, redis, client, key, began
        self._presence_reader = presence_reader or PresenceReader(redis, key=key)
        self._block_ms, self._prefetch = block_ms, prefetch
        self._cursor, self._read_entries = START, 0
        self._devices: frozenset[str] = frozenset()
        self._unhealed: list[str] = []

    def now_s(self) -> float:
        """Monotonic seconds of this host."""
        return time.monotonic()

    def look(self) -> Look | None:
        """Read heartbeats and reservations, and notice that the broker lost the run's outcomes."""
        found = self._presence_reader.look()
        if found is not None:
            self._devices = frozenset(found.present)
            self._heal()
        if found is not None and began_anew(self._redis, outcomes_stream(self._run_id), self._cursor):
            self._cursor = START
        return found

    def queued(self, devices: Collection[str]) -> dict[str, set[str]]:
        """Ids of the attempts in each of these devices' queues, in one round trip."""
        found = _messages(self._redis, devices, self._key)
        return {device: {identity for identity, _ in each} for device, each in found.items()}

    def claimants(self, identities: Collection[str]) -> dict[str, str]:
        """The device that has claimed each attempt; left out are those of other programs, or that the broker lost."""
        attempts = [attempt for each in identities if (attempt := AttemptId.parse(each)) is not None]
        return {str(attempt): device for attempt, device in claimants(self._redis, attempts, self._key).items()}

    def share(self, own: Share) -> dict[str, Share]:
        """Publish the run's share of the fleet; returns those of the other runs."""
        return publish_share(self._redis, self._run_id, own)

    def send(self, ready: Sequence[Sent]) -> None:
        """Allow attempts in one round trip, and enqueue them in another."""
        with self._redis.pipeline(transaction=False) as pipe:
            for sent in ready:
                allow(pipe, self._run_id, *sent.item.key, sent.attempt)
            pipe.execute()
        self._client.send([(sent.task(self._began), sent.device) for sent in ready])

    def recall(self, sent: Sent) -> bool:
        """Revoke an attempt and take its message out of the queue; False if a worker has claimed it."""
        revoked = recall(self._redis, self._run_id, *sent.item.key, sent.attempt, self._key)
        withdraw(self._redis, [sent.device], sent.id)
        return revoked

    def kill(self, identity: str, device: str) -> None:
        """Order the worker of a device to end the process that runs an attempt."""
        self._client.kill(identity, device)

    def outcomes(self, *, wait: bool) -> Iterator[Outcome]:
        """The next outcomes in the run's stream, `BATCH` at most; none if it has no more, or very much junk.

        The caller records them before it asks for more: what it had is removed from the stream from time to time.
        """
        stream, block_ms, count = outcomes_stream(self._run_id), self._block_ms if wait else None, 0
        if self._read_entries >= MOST_READ:
            self._read_entries = 0
            with suppress(ResponseError):  # a user of an earlier version's rights; the stream grows until the run's end
                self._redis.xtrim(stream, minid=self._cursor, approximate=True)
        for _ in range(MOST_JUNK_BATCHES):
            entries = read_beyond(self._redis, stream, self._cursor, "outcome", BATCH, block_ms)
            self._read_entries += len(entries)
            read = [self._read(body) for _, body in entries]
            own = [each for each in read if isinstance(each, Outcome)]
            faults = list(unclaimed(self._redis, self._run_id, own, self._key))
            self._prefetch([each for each, why in zip(own, faults, strict=True) if not why])
            reasons = iter(faults)
            for (cursor, body), each in zip(entries, read, strict=True):
                self._cursor = cursor
                fault = next(reasons) if isinstance(each, Outcome) else each
                if isinstance(each, Outcome) and not fault:
                    count += 1
                    yield each
                else:
                    set_aside(self._redis, Place.OUTCOMES, stream, fault, body)
            if count or not entries:
                return

    def _read(self, body: bytes) -> Outcome | str:
        """The outcome in an entry of the run's stream, or why it is none."""
        try:
            outcome = received(Outcome, self._key.open(Kind.OUTCOME, self._run_id, body))
        except UnreadableError as error:
            return str(error)
        if outcome.run_id != self._run_id:
            return f"it is of run {outcome.run_id}"
        return outcome if outcome.began == self._began else "it is of an earlier run of that name"

    def set_aside(self, outcome: Outcome, why: str) -> None:
        """Keep an outcome that does not count as a dead letter."""
        body = outcome.model_dump_json().encode()
        set_aside(self._redis, Place.OUTCOMES, outcomes_stream(self._run_id), why, body)

    def reserve(self, device: str) -> None:
        """Keep a device free of other runs' work for as long as a heartbeat is valid."""
        reserve(self._redis, device, self._run_id)

    def release(self, device: str) -> None:
        """End a reservation."""
        release(self._redis, device)

    def running(self) -> set[str]:
        """Ids of the run's attempts that devices run now, by their last heartbeats."""
        found = (
            identity
            for presence in read_presences(self._redis, key=self._key).values()
            for identity in presence.running
        )
        return {identity for identity in found if identity.startswith(run_prefix(self._run_id))}

    def withdraw(self, devices: Iterable[str]) -> None:
        """Take all messages of the run out of these devices' queues."""
        withdraw(self._redis, devices, run_prefix(self._run_id))

    def clear(self, devices: Iterable[str]) -> None:
        """Remove the run from the broker; its events stay for a minute."""
        clear(self._redis, self._run_id, devices)

    def _heal(self) -> None:
        """Remove keys of a wrong type. What they held is lost, as if a broker had lost it, and is sent again.

        Of many devices `MOST_HEALED` are looked at each time, in turn.
        """
        keys = {attempts_key(self._run_id): "hash", outcomes_stream(self._run_id): "stream", CORDONED: "set"}
        self._unhealed = self._unhealed or sorted(self._devices)
        turn, self._unhealed = self._unhealed[:MOST_HEALED], self._unhealed[MOST_HEALED:]
        for device in turn:
            keys[device] = "list"
        heal(self._redis, keys)


def clear(redis: Redis, run_id: str, devices: Iterable[str], linger_s: int = RUN_KEYS_LINGER_S) -> None:
    """Remove a run from the broker, so that none of its attempts can begin. Its events stay for `linger_s`."""
    withdraw(redis, devices, run_prefix(run_id))
    redis.delete(outcomes_stream(run_id), attempts_key(run_id))
    redis.hdel(SHARES, run_id)
    for key in (events_stream(run_id), sequence_key(run_id)):
        redis.expire(key, linger_s)


def withdraw(redis: Redis, devices: Iterable[str], prefix: str) -> None:
    """Remove every attempt whose id begins with `prefix` from the devices' queues."""
    found = _messages(redis, list(devices))
    with redis.pipeline(transaction=False) as pipe:
        for device, messages in found.items():
            for identity, body in messages:
                if identity.startswith(prefix):
                    pipe.lrem(device, 0, body)
        pipe.execute()


class _Headers(BaseModel):
    id: str


class _Message(BaseModel):
    headers: _Headers


def task_id(body: bytes, queue: str = "", key: FleetKey = NO_KEY) -> str | None:
    """The id of a message in a queue; None for what is no message: the device's worker sets it aside."""
    try:
        return received(_Message, key.open(Kind.TASK, queue, body)).headers.id
    except UnreadableError:
        return None


def _messages(redis: Redis, devices: Collection[str], key: FleetKey = NO_KEY) -> dict[str, list[tuple[str, Any]]]:
    """Id and body of each message in these devices' queues."""
    with redis.pipeline(transaction=False) as pipe:
        for device in devices:
            READ_QUEUE.run(pipe, [device], [MOST_QUEUED, MOST_BYTES])
        replies = pipe.execute()
    found = {}
    for device, bodies in zip(devices, replies, strict=True):
        messages = ((task_id(body, device, key), body) for body in bodies)
        found[device] = [(identity, body) for identity, body in messages if identity is not None]
    return found
