"""Dead letters on a real server: counted, capped in number and length, printable, and never in the way."""

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.events.stream_reader import read_beyond
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.redis.attempts import claim, recall, report
from schemas.redis.dead_letters import Place, heal, read_dead_letters, set_aside
from schemas.redis.events import emit
from schemas.redis.keys import (
    DEAD_LETTER_COUNTS,
    DEAD_LETTERS,
    attempts_key,
    events_stream,
    outcomes_stream,
    sequence_key,
)
from schemas.redis.presences import beat, read_presences, sign_off
from tests.schemas.redis.test_presences import presence

EVENT = TrainingEvent(run_id="r", event_type=EventType.RUN_START, status=EventStatus.IN_PROGRESS)
WRONG = ("string", "list", "hash", "set", "zset", "stream")


def plant(redis: Redis, key: str, kind: str) -> None:
    """Write a key of that type over whatever is there, in one step: others may write it at the same time."""
    with redis.pipeline(transaction=True) as step:
        step.delete(key)
        match kind:
            case "string":
                step.set(key, b"\xff junk")
            case "list":
                step.lpush(key, "x")
            case "hash":
                step.hset(key, "x", "y")
            case "set":
                step.sadd(key, "x")
            case "zset":
                step.zadd(key, {"x": 1.0})
            case "stream":
                step.xadd(key, {"x": "y"})
        step.execute()


def test_what_is_set_aside_is_counted_and_shown(redis: Redis) -> None:
    """The newest comes first, with its place, its reason and its first bytes in printable characters."""
    set_aside(redis, Place.QUEUE, "d0", "no JSON object", b"first")
    set_aside(redis, Place.EVENTS, "events:r", "ends\nearly", b"\x1b[31m\\ \xc3\xa9" + b"x" * 10**6)
    counts, (newest, oldest) = read_dead_letters(redis, last=5)
    assert counts == {Place.QUEUE: 1, Place.EVENTS: 1}
    assert (oldest.place, oldest.key, oldest.reason, oldest.body) == (Place.QUEUE, "d0", "no JSON object", "first")
    assert newest.reason == r"ends\x0aearly"
    assert newest.body.startswith(r"\x1b[31m\x5c \xc3\xa9xxx")
    assert newest.at == pytest.approx(redis.time()[0], abs=5)


def test_a_flood_is_capped(redis: Redis) -> None:
    """However many there are, the list keeps some hundred short letters; all are counted."""
    for number in range(500):
        set_aside(redis, Place.OUTCOMES, "outcomes:r", "\\" * 1000, b"\xff" * 1000 + str(number).encode())
    assert read_dead_letters(redis, last=1)[0] == {Place.OUTCOMES: 500}
    assert redis.llen(DEAD_LETTERS) == 200
    assert max(len(body) for body in redis.lrange(DEAD_LETTERS, 0, -1)) < 5000
    assert 0 < redis.ttl(DEAD_LETTERS) <= 7 * 24 * 3600


@pytest.mark.parametrize("kind", WRONG)
def test_dead_letters_themselves_may_be_junk(redis: Redis, kind: str) -> None:
    """Their keys hold nothing if they are of another type or hold something else, and are written anew."""
    for key in (DEAD_LETTERS, DEAD_LETTER_COUNTS):
        plant(redis, key, kind)
    assert read_dead_letters(redis, last=5) == ({}, [])
    set_aside(redis, Place.QUEUE, "d0", "reason", b"body")
    counts, letters = read_dead_letters(redis, last=1)
    assert counts == {Place.QUEUE: 1} and [letter.key for letter in letters] == ["d0"]
    assert read_dead_letters(redis, last=0) == (counts, [])


@pytest.mark.parametrize("kind", WRONG)
def test_keys_of_a_wrong_type_are_removed(redis: Redis, kind: str) -> None:
    """A key is removed unless it is of its type, and a counter unless it is a number; each is a dead letter."""
    for wanted in ("list", "hash", "zset", "stream", "counter"):
        plant(redis, "k", kind)
        heal(redis, {"k": wanted, "absent": wanted})
        assert bool(redis.exists("k")) == (kind == wanted)
    redis.set("k", "17")
    heal(redis, {"k": "counter"})
    assert redis.get("k") == b"17"
    counts, letters = read_dead_letters(redis, last=10)
    assert counts == {Place.KEY: len(letters)}
    assert {letter.key for letter in letters} == {"k"}


@pytest.mark.parametrize("kind", WRONG)
def test_scripts_of_workers_survive_keys_of_a_wrong_type(redis: Redis, kind: str) -> None:
    """Heartbeats and outcomes are written over them; an attempt whose record is gone cannot be claimed."""
    for key in ("devices", "presences", attempts_key("r"), outcomes_stream("r")):
        plant(redis, key, kind)
    assert read_presences(redis) == {}
    sign_off(redis, "d0")
    beat(redis, presence("d0"))
    assert list(read_presences(redis)) == ["d0"]
    assert not claim(redis, "r", "teacher", "n", 1, "d0 1")
    assert recall(redis, "r", "teacher", "n", 1)
    report(redis, "r", "{}")
    assert read_beyond(redis, outcomes_stream("r"), "0-0", "outcome", 5, None)[-1][1] == b"{}"


LAST_ID = "18446744073709551615-18446744073709551615"


def test_a_stream_whose_last_id_is_taken_begins_anew(redis: Redis) -> None:
    """An entry with the last possible id lets none follow: outcomes and events go on without it."""
    for stream in (outcomes_stream("r"), events_stream("r")):
        redis.xadd(stream, {"junk": "x"}, id=LAST_ID)
    report(redis, "r", "{}")
    emit(redis, EVENT)
    assert redis.get(sequence_key("r")) == b"1"
    assert redis.xlen(outcomes_stream("r")) == redis.xlen(events_stream("r")) == 1


@pytest.mark.parametrize("number", ["x", "nan", "1.5", "9223372036854775807"])
def test_a_counter_that_cannot_be_raised_begins_anew(redis: Redis, number: str) -> None:
    """What is no number, and the largest one, do not stop the events of workers."""
    redis.set(sequence_key("r"), number)
    emit(redis, EVENT)
    assert redis.get(sequence_key("r")) == b"1"


def test_full_memory_removes_nothing(redis: Redis) -> None:
    """A write that the server refuses raises, and what was not read yet stays."""
    report(redis, "r", "{}")
    emit(redis, EVENT)
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisError):
            report(redis, "r", "{}")
        with pytest.raises(RedisError):
            emit(redis, EVENT)
    finally:
        redis.config_set("maxmemory", 0)
    assert redis.xlen(outcomes_stream("r")) == redis.xlen(events_stream("r")) == 1
    assert redis.get(sequence_key("r")) == b"1"
