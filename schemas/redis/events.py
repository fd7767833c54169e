"""Emits events into a run's stream and channel."""

from redis import Redis

from schemas.contract.event import TrainingEvent
from schemas.redis.keys import EVENT_STREAM_CAP, RUN_KEYS_EXPIRY_S, events_stream, sequence_key, telemetry_channel
from schemas.redis.script import CONTINUE_NUMBERING, EMIT


def emit(redis: Redis, *events: TrainingEvent) -> None:
    """Number, append and publish events in their order, in one round trip.

    RedisError without a broker; any of them may have been emitted then.
    """
    with redis.pipeline(transaction=False) as pipe:
        for event in events:
            EMIT.run(pipe, *emission(event.run_id, event))
        pipe.execute()


def emission(run_id: str, event: TrainingEvent | None) -> tuple[list[str], list[str | int]]:
    """KEYS and ARGV from which a script emits `event`; its text is empty if there is no event."""
    body = "" if event is None else event.model_dump_json(exclude={"seq"})
    keys = [sequence_key(run_id), events_stream(run_id)]
    return keys, [telemetry_channel(run_id), body, EVENT_STREAM_CAP, RUN_KEYS_EXPIRY_S]


def continue_numbering(redis: Redis, run_id: str, last: int) -> None:
    """Give the next event of a run a number above `last`; RedisError without a broker."""
    CONTINUE_NUMBERING.run(redis, [sequence_key(run_id)], [last])
