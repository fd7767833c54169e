"""How work, outcomes and events travel: names of queues, streams and channels, and their one script.

events:<run>      stream of TrainingEvents, numbered from 1        telemetry:<run>  channel, the same events
outcomes:<run>    stream of Outcomes                               seq:<run>        the last event's number
attempts:<run>    hash, ROLE/NAME to the newest attempt's number while it waits, `NUMBER CLAIMANT` once it was begun
presence:<device> one key a live worker, gone `PRESENCE_EXPIRY_S` after its last heartbeat
name:<run>        host and folder of the run that goes by this id just now, so that no other does
alone:<device>    the run whose work must have this device for itself just now
"""

from typing import Any

from pydantic import AwareDatetime, Field
from redis import Redis

from schemas.contract.base import Frozen
from schemas.contract.device import Device
from schemas.contract.event import TrainingEvent

PRESENCE_PREFIX = "presence:"
ALONE_PREFIX = "alone:"
EVENTS_PREFIX = "events:"
PRESENCE_INTERVAL_S = 1.5
PRESENCE_EXPIRY_S = 5.0
RUN_KEYS_EXPIRY_S = 7 * 24 * 3600
RUN_KEYS_LINGER_S = 60
EVENT_STREAM_CAP = 100_000

BROKER_ENV = "GURUKUL_BROKER"
DEVICE_ENV = "GURUKUL_DEVICE"


class Presence(Frozen):
    """What a worker says of itself: its device, where and since when it runs, what decides its results, what it holds.

    `held` are the ids of all attempts in its hands, `running` of those that a pool child works on. `rate` counts
    attempts a second over the last minute. A draining worker finishes what runs and takes no more. `utilisation` is
    the share of the device in use since the last heartbeat, 0 to 1; memory is the device's (a GPU) or, on CPU slots,
    what the worker and its children hold of the host's.
    """

    device: Device
    host: str
    pid: int
    since: AwareDatetime
    versions: dict[str, str] = Field(default_factory=dict)
    held: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    done: int = 0
    rate: float = 0.0
    utilisation: float | None = None
    memory_mib: float | None = None
    memory_total_mib: float | None = None
    draining: bool = False


def events_stream(run_id: str) -> str:
    return f"{EVENTS_PREFIX}{run_id}"


def telemetry_channel(run_id: str) -> str:
    return f"telemetry:{run_id}"


def outcomes_stream(run_id: str) -> str:
    return f"outcomes:{run_id}"


def sequence_key(run_id: str) -> str:
    return f"seq:{run_id}"


def attempts_key(run_id: str) -> str:
    return f"attempts:{run_id}"


def name_key(run_id: str) -> str:
    return f"name:{run_id}"


def presence_key(device_name: str) -> str:
    return f"{PRESENCE_PREFIX}{device_name}"


def alone_key(device_name: str) -> str:
    return f"{ALONE_PREFIX}{device_name}"


def attempt_id(run_id: str, role: str, name: str, attempt: int) -> str:
    """The Celery task id of one attempt: unique, and readable in every log."""
    return f"{run_id}/{role}/{name}/{attempt}"


# Number, append and publish are one step, so a reader of the stream and a listener see one order.
EMIT_SCRIPT = """
local function emit(seq_key, events_key, channel, event, cap, expiry_s)
    local seq = redis.call('INCR', seq_key)
    local body = string.sub(event, 1, -2) .. ',"seq":' .. seq .. '}'
    redis.call('XADD', events_key, 'MAXLEN', '~', cap, '*', 'event', body)
    redis.call('EXPIRE', seq_key, expiry_s)
    redis.call('EXPIRE', events_key, expiry_s)
    redis.call('PUBLISH', channel, body)
    return seq
end
"""

# KEYS: attempts:<run>, then, if an event goes with it, seq:<run> and events:<run>; ARGV: ROLE/NAME, attempt, claimant,
# then the event's. An attempt is begun once, by one claimant, while it is the newest; the claimant itself may ask
# twice, when a reply got lost.
CLAIM_SCRIPT = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
local mine = ARGV[2] .. ' ' .. ARGV[3]
if known == mine then return 1 end
if known ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], mine)
if KEYS[2] then emit(KEYS[2], KEYS[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]) end
return 1
"""

# KEYS: attempts:<run>; ARGV: ROLE/NAME, attempt. What nobody has begun can be begun no more.
RECALL_SCRIPT = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and string.sub(known, 1, #ARGV[2] + 1) == ARGV[2] .. ' ' then return 0 end
if known == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""


# KEYS: outcomes:<run>, attempts:<run>; ARGV: outcome, expiry of a live run, expiry otherwise, in seconds. A late
# outcome of a run that is over and cleared away does not stay.
REPORT_SCRIPT = """
redis.call('XADD', KEYS[1], '*', 'outcome', ARGV[1])
redis.call('EXPIRE', KEYS[1], redis.call('EXISTS', KEYS[2]) == 1 and ARGV[2] or ARGV[3])
"""


def allow(redis: Redis, run_id: str, role: str, name: str, attempt: int) -> None:
    """Make `attempt` the one that a worker may begin."""
    redis.hset(attempts_key(run_id), f"{role}/{name}", str(attempt))
    redis.expire(attempts_key(run_id), RUN_KEYS_EXPIRY_S)


def emit(redis: Redis, event: TrainingEvent) -> int:
    """Number, append and publish one event, in one round trip; returns its number. RedisError if no broker answers."""
    keys, arguments = _emission(event)
    script = f"{EMIT_SCRIPT} return emit(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])"
    number: Any = redis.eval(script, len(keys), *keys, *arguments)
    return int(number)


def claim(
    redis: Redis, run_id: str, role: str, name: str, attempt: int, claimant: str, event: TrainingEvent | None = None
) -> bool:
    """Begin an attempt, and tell of it by `event`; False if it was superseded, recalled, cancelled, or another's."""
    keys, arguments = _emission(event) if event else ([], [])
    keys = [attempts_key(run_id), *keys]
    arguments = [f"{role}/{name}", str(attempt), claimant, *arguments]
    return bool(redis.eval(EMIT_SCRIPT + CLAIM_SCRIPT, len(keys), *keys, *arguments))


def _emission(event: TrainingEvent) -> tuple[list[str], list[str]]:
    """Keys and arguments of `emit` in EMIT_SCRIPT."""
    body = event.model_dump_json(exclude={"seq"})
    keys = [sequence_key(event.run_id), events_stream(event.run_id)]
    return keys, [telemetry_channel(event.run_id), body, str(EVENT_STREAM_CAP), str(RUN_KEYS_EXPIRY_S)]


def report(redis: Redis, run_id: str, outcome: str) -> None:
    """Append an outcome, as JSON, to its run's stream; RedisError if the broker does not answer."""
    keys = [outcomes_stream(run_id), attempts_key(run_id)]
    redis.eval(REPORT_SCRIPT, len(keys), *keys, outcome, str(RUN_KEYS_EXPIRY_S), str(RUN_KEYS_LINGER_S))


def recall(redis: Redis, run_id: str, role: str, name: str, attempt: int) -> bool:
    """Take an attempt back before anybody begins it; False if somebody has."""
    return bool(redis.eval(RECALL_SCRIPT, 1, attempts_key(run_id), f"{role}/{name}", str(attempt)))
