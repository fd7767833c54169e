"""The life of an attempt in Redis: allowed by the orchestrator, claimed by one worker or recalled, reported once."""

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from schemas.contract.event import TrainingEvent
from schemas.contract.task import Outcome
from schemas.redis.attempt_id import AttemptId
from schemas.redis.events import emission
from schemas.redis.keys import (
    DEAD_LETTER_COUNTS,
    DEAD_LETTERS,
    RUN_KEYS_EXPIRY_S,
    RUN_KEYS_LINGER_S,
    attempts_key,
    outcomes_stream,
    work_field,
)
from schemas.redis.script import CLAIM, GIVE_BACK, RECALL, REPORT, Command, send
from schemas.redis.signing import Kind, fleet_key


def allow(redis: Redis, run_id: str, role: str, name: str, attempt: int) -> None:
    """Make `attempt` the only one that a worker may begin."""
    redis.hset(attempts_key(run_id), work_field(role, name), str(attempt))
    redis.expire(attempts_key(run_id), RUN_KEYS_EXPIRY_S)


def claim(
    redis: Redis, run_id: str, role: str, name: str, attempt: int, claimant: str, event: TrainingEvent | None = None
) -> bool:
    """Begin an attempt and emit `event`; False if it was superseded, recalled, cancelled, or claimed by another."""
    return bool(send(redis, claiming(run_id, role, name, attempt, claimant, event)))


def claiming(run_id: str, role: str, name: str, attempt: int, claimant: str, event: TrainingEvent | None) -> Command:
    """The command of `claim`, whose reply is 1 or 0."""
    keys, arguments = emission(run_id, event)
    return CLAIM.command([attempts_key(run_id), *keys], [work_field(role, name), attempt, claimant, *arguments])


def giving_back(run_id: str, role: str, name: str, attempt: int, claimant: str) -> Command:
    """The command that ends a claim of an attempt that was not begun, so that it can be recalled or claimed again."""
    return GIVE_BACK.command([attempts_key(run_id)], [work_field(role, name), attempt, claimant])


def recall(redis: Redis, run_id: str, role: str, name: str, attempt: int) -> bool:
    """Revoke an attempt that no worker has claimed; False if one has."""
    return bool(RECALL.run(redis, [attempts_key(run_id)], [work_field(role, name), attempt]))


def unclaimed(redis: Redis, run_id: str, outcomes: Sequence[Outcome]) -> list[str]:
    """For each outcome, why no worker of its device can have made it; empty if one can. One round trip.

    A broker that lost the claim proves nothing, and of an attempt that was superseded the number decides.
    """
    if not outcomes:
        return []
    fields = [work_field(each.role, each.name) for each in outcomes]
    try:
        claims: Any = redis.hmget(attempts_key(run_id), fields)
    except ResponseError:
        return [""] * len(outcomes)  # no hash: its claims are lost, and the next look replaces it
    return [_unclaimed(each, claim or b"") for each, claim in zip(outcomes, claims, strict=True)]


def claimants(redis: Redis, attempts: Sequence[AttemptId]) -> dict[AttemptId, str]:
    """The device that has claimed each of these attempts, empty if none has; one round trip.

    Attempts that the broker does not know, or that were superseded, are left out.
    """
    fields: dict[str, list[AttemptId]] = {}
    for each in attempts:
        fields.setdefault(each.run_id, []).append(each)
    with redis.pipeline(transaction=False) as pipe:
        for run_id, own in fields.items():
            pipe.hmget(attempts_key(run_id), [work_field(each.role, each.name) for each in own])
        replies = pipe.execute(raise_on_error=False)
    found = {}
    for own, claims in zip(fields.values(), replies, strict=True):
        if isinstance(claims, ResponseError):  # no hash: see `unclaimed`
            continue
        if isinstance(claims, Exception):
            raise claims
        for each, claim in zip(own, claims, strict=True):
            number, device = _parsed(claim or b"")
            if number == str(each.attempt):
                found[each] = device
    return found


def _parsed(claim: bytes) -> tuple[str, str]:
    """Number and device of a claim."""
    number, _, claimant = claim.decode(errors="replace").partition(" ")
    return number, claimant.split(" ")[0]


def _unclaimed(outcome: Outcome, claim: bytes) -> str:
    number, device = _parsed(claim)
    if number != str(outcome.attempt) or device == outcome.device:
        return ""
    return (
        f"{device or 'no device'} has claimed attempt {outcome.attempt} of {outcome.role} {outcome.name},"
        f" not {outcome.device}"
    )


def report(redis: Redis, run_id: str, outcome: str) -> None:
    """Append an outcome, as JSON, to its run's stream; RedisError without a broker."""
    send(redis, reporting(run_id, outcome))


def reporting(run_id: str, outcome: str) -> Command:
    """The command of `report`, signed with the key of this process's environment."""
    signed = fleet_key().sign(Kind.OUTCOME, run_id, outcome.encode())
    keys = [outcomes_stream(run_id), attempts_key(run_id), DEAD_LETTERS, DEAD_LETTER_COUNTS]
    return REPORT.command(keys, [signed, RUN_KEYS_EXPIRY_S, RUN_KEYS_LINGER_S])
