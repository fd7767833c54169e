"""How work, outcomes and events travel: names of queues, streams and channels, and their one script.

events:<run>      stream of TrainingEvents, numbered from 1        telemetry:<run>  channel, the same events
outcomes:<run>    stream of Outcomes                               seq:<run>        the last event's number
presence:<device> one key a live worker, gone `PRESENCE_EXPIRY_S` after its last heartbeat
"""

from redis import Redis

from schemas.base import Frozen
from schemas.device import Device
from schemas.events import TrainingEvent

PRESENCE_PREFIX = "presence:"
PRESENCE_INTERVAL_S = 1.5
PRESENCE_EXPIRY_S = 5.0
RUN_KEYS_EXPIRY_S = 7 * 24 * 3600
EVENT_STREAM_CAP = 100_000

BROKER_ENV = "GURUKUL_BROKER"
DEVICE_ENV = "GURUKUL_DEVICE"


class Presence(Frozen):
    """What a worker says of itself: its device, where it runs, and the attempts it holds."""

    device: Device
    host: str
    pid: int
    held: tuple[str, ...] = ()


def events_stream(run_id: str) -> str:
    return f"events:{run_id}"


def telemetry_channel(run_id: str) -> str:
    return f"telemetry:{run_id}"


def outcomes_stream(run_id: str) -> str:
    return f"outcomes:{run_id}"


def sequence_key(run_id: str) -> str:
    return f"seq:{run_id}"


def presence_key(device_name: str) -> str:
    return f"{PRESENCE_PREFIX}{device_name}"


def attempt_id(run_id: str, role: str, name: str, attempt: int) -> str:
    """The Celery task id of one attempt: unique, and readable in every log."""
    return f"{run_id}/{role}/{name}/{attempt}"


# KEYS: seq:<run>, events:<run>; ARGV: channel, event JSON without seq, cap, expiry in seconds.
# Number, append and publish are one step, so a reader of the stream and a listener see one order.
EMIT_SCRIPT = """
local seq = redis.call('INCR', KEYS[1])
local body = string.sub(ARGV[2], 1, -2) .. ',"seq":' .. seq .. '}'
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'event', body)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[1], body)
return seq
"""


def emit(redis: Redis, event: TrainingEvent) -> None:
    """Number, append and publish one event, in one round trip; RedisError if the broker does not answer."""
    body = event.model_dump_json(exclude={"seq"})
    keys = [sequence_key(event.run_id), events_stream(event.run_id)]
    arguments = [telemetry_channel(event.run_id), body, str(EVENT_STREAM_CAP), str(RUN_KEYS_EXPIRY_S)]
    redis.eval(EMIT_SCRIPT, len(keys), *keys, *arguments)
