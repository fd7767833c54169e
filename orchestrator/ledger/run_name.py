"""A run's name on its broker: one run holds it at a time, and `orchestrator cancel` reaches the run by it."""

import platform
import time
from datetime import datetime
from typing import Any

from redis import Redis

from schemas.contract.base import Frozen
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.instant import Instant
from schemas.contract.machine import this_machine
from schemas.contract.received import UnreadableError, received
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.redis.dead_letters import Place, set_aside
from schemas.redis.keys import RUN_KEYS_LINGER_S, cancel_key, run_id_owner_key
from schemas.redis.signing import Kind, fleet_key

# Renewed twice per second; the name of a killed orchestrator is free again after this.
NAME_EXPIRY_S = 15.0
# A question is asked again at each look, so that none outlives the command that asks.
ASKED, ASK_EXPIRY_S, POLL_S = b"asked", 5, 0.2
# A signed question or holder that was kept for longer and stored again does not count.
STALE_S = 60
ANSWERS = frozenset(status.value.encode() for status in RunStatus)
# A name that is gone for so long was not lost by the broker: its run would have taken it again.
GONE_S = 3.0


class Holder(Frozen):
    """The run that holds a name: where it is run, and when it was begun; `renewed` is the broker's Unix time."""

    host: str
    machine: str
    folder: str
    created: Instant
    renewed: int = 0

    def __str__(self) -> str:
        """Host and folder; two hosts or containers may have one name, and the same path for different folders."""
        return f"{self.host}:{self.folder} ({self.machine})"


class RunName:
    """The name of one run, begun at `created`, for the process that runs it."""

    def __init__(self, redis: Redis, layout: RunLayout, created: datetime) -> None:
        self._redis, self._run_id, self._key = redis, layout.folder.name, fleet_key()
        self._own = Holder(
            host=platform.node(), machine=this_machine(), folder=str(layout.folder.absolute()), created=created
        )
        # The broker's Unix time less the monotonic clock; None before the first reply.
        self._clock_s: float | None = None

    def hold(self) -> bool:
        """Take the name, or keep it; returns whether the run is asked to cancel.

        RequestError if a run in another folder has taken it.
        """
        key, expiry_ms = run_id_owner_key(self._run_id), int(NAME_EXPIRY_S * 1000)
        if self._clock_s is None:
            self._clock_s = self._redis.time()[0] - time.monotonic()
        renewed = self._own.model_copy(update={"renewed": int(self._clock_s + time.monotonic())})
        own = self._key.sign(Kind.NAME, self._run_id, renewed.model_dump_json().encode())
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(key, own, px=expiry_ms, nx=True)
            pipe.get(key)
            pipe.get(cancel_key(self._run_id))
            pipe.time()
            taken, holder, asked, (now_s, _) = pipe.execute()
        self._clock_s = now_s - time.monotonic()
        if taken:
            self._redis.delete(cancel_key(self._run_id))  # of an earlier process of the run
            return False
        if holder is not None and holder != own and self._is_held_by_another(holder, now_s):
            who = _read(self._run_id, holder) or "another run"
            raise RequestError(
                f"run id {self._run_id} is in use on this broker by {who}; give another --run-id, or wait"
                f" {NAME_EXPIRY_S:.0f} s if that run's process has ended"
            )
        self._redis.set(key, own, px=expiry_ms)
        return asked is not None and self._is_asked(asked, now_s)

    def _is_held_by_another(self, holder: bytes, now_s: int) -> bool:
        """Whether another run holds the name; a holder that no key of the fleet has signed of late is set aside."""
        try:
            self._key.open(Kind.NAME, self._run_id, holder)
            if (found := _read(self._run_id, holder)) is None:
                return True
            if found.model_copy(update={"renewed": 0}) == self._own:
                return False  # whatever its age: the broker's clock may have been set
            if self._key and abs(now_s - found.renewed) > STALE_S:
                raise UnreadableError("it was renewed long ago")
            return True
        except UnreadableError as error:
            set_aside(self._redis, Place.KEY, run_id_owner_key(self._run_id), str(error), holder)
            return False

    def _is_asked(self, message: bytes, now_s: int) -> bool:
        """Whether a message asks to cancel; what no key of the fleet has signed of late is set aside."""
        key = cancel_key(self._run_id)
        try:
            body = self._key.open(Kind.CANCEL, self._run_id, message)
            asked, _, at_s = body.partition(b" ")
            if asked != ASKED:
                return False  # an earlier answer
            if self._key and not (at_s.isdigit() and abs(now_s - int(at_s)) <= STALE_S):
                raise UnreadableError("it was asked long ago")
            return True
        except UnreadableError as error:
            set_aside(self._redis, Place.ORDERS, key, str(error), message)
            self._redis.delete(key)
            return False

    def release(self, status: RunStatus) -> None:
        """Let the name go, and in the same transaction answer a wish to cancel: how the run ended.

        RedisError without a broker.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(run_id_owner_key(self._run_id))
            pipe.set(cancel_key(self._run_id), status.value, xx=True, ex=RUN_KEYS_LINGER_S)
            pipe.execute()


def holder_of(redis: Redis, run_id: str) -> Holder | None:
    """The run that holds a name on a broker; None if none does."""
    body: Any = redis.get(run_id_owner_key(run_id))
    return _read(run_id, body)


def cancel_holder(redis: Redis, run_id: str, within_s: float) -> RunStatus | None:
    """Ask the run that holds a name to cancel, and wait for its answer: how it ended. None if no run holds the name.

    GurukulError if it does not answer, because it has died, hangs, or does not reach the broker.
    """
    if (holder := holder_of(redis, run_id)) is None:
        return None
    question = fleet_key().sign(Kind.CANCEL, run_id, b"%s %d" % (ASKED, redis.time()[0]))
    deadline, seen, is_asked = time.monotonic() + within_s, time.monotonic(), False
    while True:
        with redis.pipeline(transaction=True) as pipe:
            pipe.set(cancel_key(run_id), question, nx=True, ex=ASK_EXPIRY_S)
            pipe.get(cancel_key(run_id))
            pipe.get(run_id_owner_key(run_id))
            _, answer, name = pipe.execute()
        if answer in ANSWERS:
            return RunStatus(answer.decode())
        now = time.monotonic()
        if name is not None:
            redis.expire(cancel_key(run_id), ASK_EXPIRY_S)
            seen, is_asked = now, True
        elif not is_asked:
            redis.delete(cancel_key(run_id))
            return None
        if now > min(deadline, seen + GONE_S):
            redis.delete(cancel_key(run_id))
            why = "its process has ended" if now <= deadline else "it may hang"
            raise GurukulError(
                f"run {run_id} was not reached: {holder} did not confirm; {why}, or does not reach this broker; look at"
                f" `orchestrator status {run_id}` on that host"
            )
        time.sleep(POLL_S)


def _read(run_id: str, body: bytes | None) -> Holder | None:
    try:
        return None if body is None else received(Holder, fleet_key().open(Kind.NAME, run_id, body))
    except UnreadableError:
        return None
