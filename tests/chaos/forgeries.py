"""Forged messages: outcomes of attempts that their device was not sent or did not claim, and heartbeats that lie."""

# mypy: disallow-untyped-calls=False

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import Any

from kombu.connection import Connection
from kombu.pidbox import Mailbox
from redis import Redis

from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.work import Key
from schemas.contract.artifact import RunManifest
from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, Outcome, Role, Status, WindowTask
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import report
from schemas.redis.keys import (
    DEVICES,
    PRESENCES,
    attempts_key,
    cancel_key,
    outcomes_stream,
    run_id_owner_key,
    work_field,
)
from schemas.redis.signing import NO_KEY, FleetKey

ELSEWHERE = "elsewhere"
FOR_EVER_MS = 10**15


def announce(redis: Redis, device: str, heartbeat: str | bytes) -> None:
    """Store a heartbeat that does not expire."""
    redis.zadd(DEVICES, {device: FOR_EVER_MS})
    redis.hset(PRESENCES, device, heartbeat)


def of_a_later_version(presence: Presence, device: str, kind: str) -> str:
    """The heartbeat of a worker with more fields, other versions, and a kind of device that may be unknown here."""
    sent = presence.model_dump(mode="json")
    sent["device"] |= {"name": device, "kind": kind, "of_a_later_version": 1}
    later = {"versions": {**sent["versions"], "gurukul": "9.0"}, "of_a_later_version": {}}
    return json.dumps(sent | later | {"pid": 2**22 + 1, "held": [], "running": []})


def ghost(presence: Presence, device: str, slots: int = 8) -> Presence:
    """The heartbeat of a device without a worker, that could do the run's work by all that it names."""
    changed = {"device": presence.device.model_copy(update={"name": device, "slots": slots}), "pid": 2**22 + 1}
    return presence.model_copy(update=changed | {"held": (), "running": ()})


def forge_heartbeats(redis: Redis, run_id: str, sent: Mapping[Key, tuple[int, str]], like: Presence) -> None:
    """Send heartbeats of three ghosts, which name as running what they were sent, what others were, or nothing.

    The device of `like` has a worker: its heartbeat omits what it holds and runs, until the worker sends the next one.
    """
    ids = {str(AttemptId(run_id, *key, attempt)): device for key, (attempt, device) in sent.items()}
    for number in range(3):
        name = f"ghost{number}@{ELSEWHERE}"
        own = tuple(identity for identity, device in ids.items() if device == name)
        others = tuple(identity for identity, device in ids.items() if device != name)
        named = (own, (*others, "another/teacher/x/1", "junk"), ())[number]
        announce(redis, name, ghost(like, name).model_copy(update={"running": named}).model_dump_json())
    redis.hset(PRESENCES, like.device.name, ghost(like, like.device.name, like.device.slots).model_dump_json())


def forge_outcomes(redis: Redis, run_id: str, sent: Mapping[Key, tuple[int, str]]) -> int:
    """Forge outcomes of attempts `sent` (number and device); returns how many."""
    forged = [
        outcome
        for (role, name), (attempt, device) in sent.items()
        for outcome in _forged(Outcome(
            run_id=run_id, role=role, name=name, attempt=attempt, device=device, status=Status.SUCCESS,
            duration_seconds=1e-6, digests={"metadata.json": "0" * 64}, key="0" * 64,
        ))
    ]  # fmt: skip
    for outcome in forged:
        report(redis, run_id, outcome.model_dump_json())
    return len(forged)


def _forged(true: Outcome) -> list[Outcome]:
    """The same outcome from another device, as a failure, of a later attempt, of another run, of other work."""
    stranger = {"device": f"forger@{ELSEWHERE}"}
    failure = {"status": Status.FAILED, "failure": FailureClass.BUG, "message": "forged"}
    changes = (
        stranger, stranger | failure, stranger | failure | {"failure": FailureClass.OOM}, {"attempt": true.attempt + 7},
        failure | {"attempt": 0}, {"run_id": "another"}, {"name": "ZZZ_2023-09-21_to_2023-12-20"},
    )  # fmt: skip
    return [true.model_copy(update=change) for change in changes]


class Intruder:
    """A program that may write to the broker of a fleet with a key, and does not have the key.

    It keeps outcomes and heartbeats, and stores them again: as they were, without a signature, and in another place.
    """

    def __init__(self, url: str, redis: Redis, manifest: RunManifest) -> None:
        self._url, self._redis, self._run_id, self._manifest = url, redis, manifest.run_id, manifest
        self._outcomes: set[bytes] = set()
        self._heartbeats: dict[str, bytes] = {}
        self._claimed: set[Key] = set()
        self.stored = 0

    def watch(self, devices: Collection[str]) -> None:
        """Keep copies of the outcomes and heartbeats that are there now."""
        entries: Any = self._redis.xrevrange(outcomes_stream(self._run_id), count=20)
        self._outcomes |= {values[b"outcome"] for _, values in entries if b"outcome" in values}
        found: Any = self._redis.hmget(PRESENCES, list(devices))
        self._heartbeats |= {device: each for device, each in zip(devices, found, strict=True) if each}

    def forge(self, devices: Sequence[str], sent: Mapping[Key, tuple[int, str]]) -> None:
        """Store tasks, outcomes and heartbeats; give orders, the wish to cancel among them; take the run's name."""
        for key in (NO_KEY, FleetKey.generate()):
            with closing(CeleryClient(self._url, key)) as client:
                client.send([(task, device) for task in self._tasks(sent) for device in devices])
        for outcome in list(self._outcomes)[-4:]:
            for body in (outcome, _unsigned(outcome), outcome[:64] + _unsigned(outcome)[:-1] + b' "device": "x"}'):
                self._redis.xadd(outcomes_stream(self._run_id), {"outcome": body})
        self.stored += forge_outcomes(self._redis, self._run_id, sent)
        for number, (_, heartbeat) in enumerate(self._heartbeats.items()):
            announce(self._redis, f"ghost{number}@{ELSEWHERE}", heartbeat)
            announce(self._redis, f"ghost{number}b@{ELSEWHERE}", _unsigned(heartbeat))
        running = [str(AttemptId(self._run_id, *key, attempt)) for key, (attempt, _) in sent.items()]
        with Connection(self._url) as connection:
            orders = Mailbox("celery", type="fanout", accept=["json"], serializer="json")(connection)
            orders._broadcast("revoke", {"task_id": running, "terminate": True, "signal": "SIGKILL"}, reply=False)
            orders._broadcast("shutdown", {}, reply=False)
        self._redis.set(cancel_key(self._run_id), "asked", ex=5)
        self._redis.set(run_id_owner_key(self._run_id), "mine")

    def _tasks(self, sent: Mapping[Key, tuple[int, str]]) -> list[WindowTask]:
        """The messages of the windows that are out, each once with the number of its attempt and once with the next."""
        config, bars = self._manifest.config, self._manifest.bars
        assert bars is not None
        digests = {symbol: row.sha256 for symbol, row in bars.symbols.items()}
        return [
            WindowTask(
                run_id=self._run_id, role=role, window=planned.window, settings=config.training(), bars=digests,
                attempt=number, began=self._manifest.created.isoformat(),
            )
            for (role, name), (attempt, _) in sent.items()
            if role in (Role.TEACHER, Role.STUDENT) and (planned := self._manifest.plan.labelled(name)) is not None
            for number in (attempt, attempt + 1)
        ]  # fmt: skip

    def claim(self, sent: Mapping[Key, tuple[int, str]]) -> None:
        """Claim each attempt that is out, for the device that has it, and for another one; once per piece of work."""
        for key, (attempt, device) in sent.items():
            if key not in self._claimed:
                self._claimed.add(key)
                claimant = device if len(self._claimed) % 2 else f"forger@{ELSEWHERE}"
                self._redis.hset(attempts_key(self._run_id), work_field(*key), f"{attempt} {claimant} 1-1")
                self.stored += 1


def _unsigned(message: bytes) -> bytes:
    return message.partition(b" ")[2]
