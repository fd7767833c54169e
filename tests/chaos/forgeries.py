"""Forged messages: outcomes of attempts that their device was not sent or did not claim, and heartbeats that lie."""

import json
from collections.abc import Mapping

from redis import Redis

from orchestrator.dispatch.work import Key
from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, Outcome, Status
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import report
from schemas.redis.keys import DEVICES, PRESENCES

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
