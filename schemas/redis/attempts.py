"""The life of an attempt in Redis: allowed by the orchestrator, claimed by one worker or recalled, reported once."""

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from schemas.contract.event import TrainingEvent
from schemas.contract.received import UnreadableError
from schemas.contract.task import Outcome, Role
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
from schemas.redis.signing import NO_KEY, FleetKey, Kind, fleet_key


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
    own = _signed(AttemptId(run_id, Role(role), name, attempt), claimant)
    return CLAIM.command([attempts_key(run_id), *keys], [work_field(role, name), attempt, own, *arguments])


def giving_back(run_id: str, role: str, name: str, attempt: int, claimant: str) -> Command:
    """The command that ends a claim of an attempt that was not begun, so that it can be recalled or claimed again."""
    own = _signed(AttemptId(run_id, Role(role), name, attempt), claimant)
    return GIVE_BACK.command([attempts_key(run_id)], [work_field(role, name), attempt, own])


def _signed(attempt: AttemptId, claimant: str) -> str:
    """The claim of an attempt, signed with the key of this process's environment."""
    return fleet_key().sign(Kind.CLAIM, str(attempt), claimant.encode()).decode()


def recall(redis: Redis, run_id: str, role: str, name: str, attempt: int, key: FleetKey = NO_KEY) -> bool:
    """Revoke an attempt that no worker has claimed; False if one has. A claim that `key` has not signed is removed."""
    field = work_field(role, name)
    claim: bytes = RECALL.run(redis, [attempts_key(run_id)], [field, attempt])
    if claim and _claimant(AttemptId(run_id, Role(role), name, attempt), claim, key) is None:
        redis.hdel(attempts_key(run_id), field)
        return True
    return not claim


def unclaimed(redis: Redis, run_id: str, outcomes: Sequence[Outcome], key: FleetKey = NO_KEY) -> list[str]:
    """For each outcome, why no worker of its device can have made it; empty if one can. One round trip.

    A claim that the broker lost, or that `key` has not signed, proves nothing. Of an attempt that was superseded the
    number decides.
    """
    if not outcomes:
        return []
    fields = [work_field(each.role, each.name) for each in outcomes]
    try:
        claims: Any = redis.hmget(attempts_key(run_id), fields)
    except ResponseError:
        return [""] * len(outcomes)  # no hash: its claims are lost, and the next look replaces it
    return [_unclaimed(each, claim or b"", key) for each, claim in zip(outcomes, claims, strict=True)]


def claimants(redis: Redis, attempts: Sequence[AttemptId], key: FleetKey = NO_KEY) -> dict[AttemptId, str]:
    """The device that has claimed each of these attempts, empty if none has; one round trip.

    Left out are attempts that the broker does not know, that were superseded, or whose claim `key` has not signed.
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
            if (device := _claimant(each, claim or b"", key)) is not None:
                found[each] = device
    return found


def _claimant(attempt: AttemptId, claim: bytes, key: FleetKey) -> str | None:
    """The device in the claim of an attempt, empty if none has it; None if it is of another attempt, or forged."""
    number, _, signed = claim.partition(b" ")
    if number != str(attempt.attempt).encode():
        return None
    try:
        body = key.open(Kind.CLAIM, str(attempt), signed) if signed else b""
    except UnreadableError:
        return None
    return body.decode(errors="replace").split(" ")[0]


def _unclaimed(outcome: Outcome, claim: bytes, key: FleetKey) -> str:
    device = _claimant(AttemptId(outcome.run_id, outcome.role, outcome.name, outcome.attempt), claim, key)
    if device in (None, outcome.device):
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
