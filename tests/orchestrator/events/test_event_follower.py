"""A follower receives each event of a run once and in order, through lost connections, lost streams and late logs."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from orchestrator.events import event_follower
from orchestrator.events.emitter import Emitter
from orchestrator.events.event_follower import EventFollower
from orchestrator.events.stream_reader import read_beyond
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.redis.events import emit
from schemas.redis.keys import events_stream
from tests.cutting import CutLine
from tests.doubles.playing import forget

RUN = "r"


def emit_events(redis: Redis, count: int = 1) -> None:
    """Emit `count` events."""
    for _ in range(count):
        emit(redis, TrainingEvent(run_id=RUN, event_type=EventType.PHASE_PROGRESS, status=EventStatus.IN_PROGRESS))


def numbers(events: list[TrainingEvent]) -> list[int]:
    """Numbers of the events."""
    return [event.seq or 0 for event in events]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Path of the event log, which may not exist."""
    return tmp_path / "r.jsonl"


def follower(log: Path | None, broker: str | None) -> EventFollower:
    """A follower that never waits before it asks again."""
    ticks = itertools.count()
    return EventFollower(RUN, log, broker, clock=lambda: float(next(ticks)))


def test_a_late_follower_receives_all_events(redis: Redis, server: str) -> None:
    """Events from before the first poll come first, then those that come after it."""
    emit_events(redis, 3)
    late = follower(None, server)
    assert numbers(late.poll()) == [1, 2, 3]
    emit_events(redis, 2)
    assert numbers(late.poll()) == [4, 5]
    assert late.poll() == []
    assert late.live


def test_twenty_cuts_lose_and_repeat_nothing(redis: Redis, server: str) -> None:
    """A connection that is cut in the middle of answers, elsewhere each time, does not change what is received."""
    received: list[TrainingEvent] = []
    with CutLine(server, cuts=20) as line:
        cut = follower(None, line.url)
        for _ in range(50):
            emit_events(redis, 5)
            received += cut.poll()
        while found := cut.poll():
            received += found
        assert line.cuts == 20
        cut.close()
    assert numbers(received) == list(range(1, 251))


def test_a_cut_after_the_first_answer_loses_nothing_of_it(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of an answer are received although the connection is lost before the next answer."""
    emit_events(redis, 3)
    answers = iter((read_beyond, broken))
    monkeypatch.setattr(event_follower, "read_beyond", lambda *arguments: next(answers, read_beyond)(*arguments))
    cut = follower(None, server)
    assert numbers(cut.poll()) == [1, 2, 3]
    assert not cut.live
    emit_events(redis)
    assert numbers(cut.poll()) == [4]


def broken(*_: object) -> list[tuple[str, bytes]]:
    """A connection that is lost."""
    raise ConnectionError("cut")


def test_without_a_broker_the_log_is_followed(redis: Redis, log: Path) -> None:
    """Whole lines of the log are received as they are written; an incomplete line is not."""
    alone = follower(log, None)
    assert alone.poll() == []
    with Emitter(redis, RUN, log) as telemetry:
        telemetry.finish(EventType.RUN_START, EventStatus.IN_PROGRESS)
    assert numbers(alone.poll()) == [1]
    line = log.read_bytes().replace(b'"seq":1', b'"seq":2')
    with log.open("ab") as file:
        file.write(line[:40])
        file.flush()
        assert alone.poll() == []
        file.write(line[40:])
    assert numbers(alone.poll()) == [2]
    assert not alone.live


def test_without_the_run_on_the_broker_the_log_is_read(redis: Redis, server: str, log: Path) -> None:
    """With another broker than the run's, or one whose events are gone, all events of the log are received."""
    with Emitter(redis, RUN, log) as telemetry:
        telemetry.finish(EventType.RUN_START, EventStatus.IN_PROGRESS)
    forget(redis)
    assert numbers(follower(log, server).poll()) == [1]


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_long_log_is_read_in_parts(
    redis: Redis, server: str, log: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Each poll takes a few events of the log; what the stream has kept follows them."""
    monkeypatch.setattr(event_follower, "MOST_OF_LOG", 2)
    emit_events(redis, 7)
    entries: Any = redis.xrange(events_stream(RUN))
    log.write_bytes(b"".join(fields[b"event"] + b"\n" for _, fields in entries[:6]))
    redis.xtrim(events_stream(RUN), maxlen=kept, approximate=False)
    late, polls = follower(log, server), []
    while found := late.poll():
        polls.append(numbers(found))
    assert polls[:2] == [[1, 2], [3, 4]]
    assert [each for poll in polls for each in poll] == [1, 2, 3, 4, 5, 6, 7][: 7 if kept else 6]
    assert not late.missed


def test_what_the_stream_forgot_comes_from_the_log(redis: Redis, server: str, log: Path) -> None:
    """After the broker lost its data the numbering continues from the log, and the follower misses nothing."""
    both = follower(log, server)
    with Emitter(redis, RUN, log) as telemetry:
        emit_events(redis, 2)
        telemetry.write_new()
        assert numbers(both.poll()) == [1, 2]
        forget(redis)
        emit_events(redis, 2)
        telemetry.write_new()
        emit_events(redis)
        telemetry.finish(EventType.RUN_END, EventStatus.SUCCESS)
    received = [number for _ in range(3) for number in numbers(both.poll())]
    assert received == [3, 4, 5, 6]
    assert both.missed == 0


def test_what_neither_has_is_counted_as_missed(redis: Redis, server: str) -> None:
    """If the stream's cap has removed events and there is no log, the rest is received and the loss is counted."""
    emit_events(redis, 10)
    redis.xtrim(events_stream(RUN), maxlen=4, approximate=False)
    late = follower(None, server)
    assert numbers(late.poll()) == [7, 8, 9, 10]
    assert late.missed == 6


def test_a_command_that_the_user_may_not_send_is_named(redis: Redis, server: str) -> None:
    """A follower reads on from the log, and holds the command and the remedy until the broker answers it."""
    redis.acl_setuser("viewer", enabled=True, nopass=True, keys=["*"], commands=["+ping"])
    try:
        refused = follower(None, server.replace("redis://:", "redis://viewer:"))
        assert refused.poll() == [] and not refused.live
        assert f"EVAL events:{RUN}" in refused.refused and "rules that `orchestrator acl` prints" in refused.refused
    finally:
        redis.acl_deluser("viewer")


def later(number: int, **fields: object) -> bytes:
    """The body of an event with fields that only a later version has."""
    event = TrainingEvent(run_id=RUN, event_type=EventType.RUN_START, status=EventStatus.IN_PROGRESS, seq=number)
    return json.dumps(event.model_dump(mode="json") | {"of_a_later_version": [1]} | fields).encode()


def test_the_log_of_a_later_version_is_followed(log: Path) -> None:
    """Unknown fields are passed over; an event of an unknown type costs itself alone, and counts as missed."""
    bodies = [later(1), later(2, event_type="of_a_later_version"), b"{", later(3)]
    log.write_bytes(b"\n".join([*bodies, b""]))
    following = follower(log, None)
    assert numbers(following.poll()) == [1, 3]
    assert following.missed == 1


def test_events_of_a_later_version_and_junk_are_passed_over(redis: Redis, server: str) -> None:
    """In a stream, too: what is no event of this run is passed over, and nothing is waited for."""
    for body in (later(1), later(2, event_type="of_a_later_version"), later(9, run_id="other"), b"\xff", later(3)):
        redis.xadd(events_stream(RUN), {"event": body})
    redis.xadd(events_stream(RUN), {"other": b"field"})
    following = follower(None, server)
    assert numbers(following.poll()) == [1, 3]
    assert following.missed == 1
