"""The event log holds every event once, numbered without a gap, whatever the broker loses or misses."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis import Redis

from orchestrator.events.emitter import BATCH, Emitter
from schemas.contract.errors import RequestError
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.redis.client import connect
from schemas.redis.events import emit
from schemas.redis.keys import sequence_key, telemetry_channel
from tests.doubles.playing import Breakable, forget
from tests.strategies import examples

RUN = "r"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the log."""
    return tmp_path / "telemetry" / "r.jsonl"


def emit_note(telemetry: Emitter, message: str) -> None:
    """Emit an event of the orchestrator."""
    telemetry.emit(EventType.PHASE_START, EventStatus.IN_PROGRESS, message=message)


def emit_as_worker(redis: Redis, message: str) -> None:
    """Emit an event of a worker."""
    emit(
        redis,
        TrainingEvent(
            run_id=RUN, event_type=EventType.TEACHER_WINDOW_START, status=EventStatus.IN_PROGRESS, message=message
        ),
    )


def logged(path: Path) -> list[str]:
    """The messages of the log; fails unless its events are numbered 1, 2, 3 ..."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return [event["message"] for event in events]


def test_the_log_is_the_stream(redis: Redis, path: Path) -> None:
    """Events of orchestrator and workers are in the log in the order of the stream, as they were published."""
    with redis.pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(telemetry_channel(RUN))
        with Emitter(redis, RUN, path) as telemetry:
            for number in range(3):
                emit_note(telemetry, f"orchestrator {number}")
                emit_as_worker(redis, f"worker {number}")
            telemetry.finish(EventType.RUN_END, EventStatus.SUCCESS, message="end")
        emitted = [f"{who} {number}" for number in range(3) for who in ("orchestrator", "worker")] + ["end"]
        assert logged(path) == emitted
        received: list[Any] = [listener.get_message(timeout=5) for _ in ["subscribed", *emitted]]
    assert [message["data"].decode() for message in received[1:]] == path.read_text().splitlines()


def test_events_that_are_emitted_together_take_one_round_trip(redis: Redis, path: Path) -> None:
    """They are in the stream at the end of the block, in their order; also if the block raises."""
    with Emitter(redis, RUN, path) as telemetry:
        before = redis.info("stats")["total_reads_processed"]
        with pytest.raises(ValueError, match="the third"), telemetry.together():
            emit_note(telemetry, "first")
            with telemetry.together():
                emit_note(telemetry, "second")
            assert not redis.exists(sequence_key(RUN))
            raise ValueError("the third")
        # The server has read: this question twice, whether the counter exists, and all events at once.
        assert redis.info("stats")["total_reads_processed"] - before == 3
        telemetry.finish(EventType.RUN_END, EventStatus.SUCCESS, message="end")
    assert logged(path) == ["first", "second", "end"]


def test_telemetry_that_is_off_leaves_nothing(redis: Redis) -> None:
    """Without a path there is no event, neither in the broker nor in a file."""
    with Emitter(redis, RUN, None) as telemetry:
        emit_note(telemetry, "x")
        telemetry.write_new()
        telemetry.finish(EventType.RUN_END, EventStatus.SUCCESS)
    assert redis.keys() == []


@pytest.mark.parametrize("written", [True, False])
def test_a_broker_that_forgets_everything_leaves_no_gap(redis: Redis, path: Path, written: bool) -> None:
    """After FLUSHALL the log continues its numbering, with every event that was in it or is emitted later."""
    with Emitter(redis, RUN, path) as telemetry:
        telemetry.write_new()
        emit_note(telemetry, "before")
        emit_as_worker(redis, "too")
        telemetry.write_new()
        forget(redis)
        emit_as_worker(redis, "after")
        if written:
            telemetry.write_new()
        emit_note(telemetry, "again")
        emit_note(telemetry, "end")
        telemetry.write_new()
    assert logged(path) == ["before", "too", "after", "again", "end"]
    assert redis.get(sequence_key(RUN)) == b"5"


@pytest.mark.parametrize("resumed", [False, True])
def test_a_listener_receives_each_event_once(redis: Redis, path: Path, resumed: bool) -> None:
    """Also those that a broker without its data numbers from 1 again, in this process or in one that resumes."""
    received: list[str] = []
    telemetry = Emitter(redis, RUN, path, lambda event: received.append(event.message)).__enter__()
    emit_note(telemetry, "mine")
    emit_as_worker(redis, "worker's")
    telemetry.write_new()
    if resumed:
        telemetry.__exit__(None, None, None)
        received.clear()
        telemetry = Emitter(redis, RUN, path, lambda event: received.append(event.message)).__enter__()
    forget(redis)
    emit_as_worker(redis, "renumbered")
    emit_note(telemetry, "mine again")
    telemetry.write_new()
    telemetry.__exit__(None, None, None)
    assert sorted(received) == sorted(logged(path)) == ["mine", "mine again", "renumbered", "worker's"]


def test_the_numbering_continues_after_a_whole_batch_was_renumbered(redis: Redis, path: Path) -> None:
    """Where the renumbered events fill a batch exactly, the stream's next number still follows the log's last."""
    with Emitter(redis, RUN, path) as telemetry:
        for number in range(BATCH):
            emit_as_worker(redis, str(number))
        telemetry.write_new()
        forget(redis)
        for number in range(BATCH):
            emit_as_worker(redis, f"after {number}")
        telemetry.write_new()
    assert redis.get(sequence_key(RUN)) == str(2 * BATCH).encode()


@pytest.mark.parametrize("after", [[], ["kept"]])
def test_an_event_of_the_orchestrator_survives_the_loss_of_the_stream(
    redis: Redis, path: Path, after: list[str]
) -> None:
    """An event that was published and lost before it was written is in the log once."""
    with Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "forgotten")
        forget(redis)
        for message in after:
            emit_note(telemetry, message)
        telemetry.write_new()
    assert sorted(logged(path)) == ["forgotten", *after]


@pytest.mark.parametrize("caught_up", [True, False])
def test_an_event_that_could_not_be_published_is_in_the_log_once(
    breakable: Breakable, path: Path, caught_up: bool
) -> None:
    """While no server answers, the orchestrator's events go to the log alone; what was published before is there."""
    with connect(breakable.url) as redis:
        redis.config_set("appendfsync", "always")
        with Emitter(redis, RUN, path) as telemetry:
            if caught_up:
                telemetry.write_new()
            emit_note(telemetry, "before")
            emit_as_worker(redis, "too")
            breakable.take_away()
            emit_note(telemetry, "during")
            emit_note(telemetry, "still")
            breakable.bring_back()
            telemetry.write_new()
            emit_note(telemetry, "after")
            telemetry.finish(EventType.RUN_END, EventStatus.SUCCESS, message="end")
    messages = logged(path)
    assert sorted(messages) == sorted(["before", "too", "during", "still", "after", "end"])
    assert messages[-2:] == ["after", "end"]


def test_the_log_ends_though_the_server_is_gone(breakable: Breakable, path: Path) -> None:
    """The end of a run whose server is gone for good is in its log."""
    with connect(breakable.url) as redis, Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "before")
        telemetry.write_new()
        breakable.take_away()
        telemetry.finish(EventType.RUN_END, EventStatus.FAILED, message="end")
    assert logged(path) == ["before", "end"]


def test_no_run_begins_without_a_server(breakable: Breakable, path: Path) -> None:
    """A server that is gone before the first event is an error that names the remedy."""
    breakable.take_away()
    with (
        connect(breakable.url) as redis,
        pytest.raises(RequestError, match="resume"),
        Emitter(redis, RUN, path),
    ):
        raise AssertionError


@pytest.mark.parametrize("forgets", [True, False])
def test_a_reopened_log_goes_on(redis: Redis, path: Path, forgets: bool) -> None:
    """A resumed run's log continues where it ended, with events that a worker emitted meanwhile, on either broker."""
    with Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "first")
        telemetry.write_new()
    if forgets:
        forget(redis)
    else:
        emit_as_worker(redis, "meanwhile")
    with Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "second")
        telemetry.write_new()
    assert logged(path) == ["first", *([] if forgets else ["meanwhile"]), "second"]


def test_a_line_that_a_kill_cut_off_is_written_anew(redis: Redis, path: Path) -> None:
    """A log that ends in half a line, as after a kill, is repaired from the stream."""
    with Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "first")
        emit_note(telemetry, "second")
        telemetry.write_new()
    path.write_bytes(path.read_bytes()[:-20])
    with Emitter(redis, RUN, path) as telemetry:
        emit_note(telemetry, "third")
        telemetry.write_new()
    assert logged(path) == ["first", "second", "third"]


def test_many_events_are_written_in_one_go(redis: Redis, path: Path) -> None:
    """However many events wait, one call writes them all."""
    with Emitter(redis, RUN, path) as telemetry:
        for number in range(1100):
            emit_as_worker(redis, str(number))
        telemetry.write_new()
        assert logged(path) == [str(number) for number in range(1100)]


@examples(40)
@given(steps=st.lists(st.sampled_from(["emit", "worker", "write", "flush", "resume", "kill"]), max_size=25))
@example(steps=["emit", "flush", "emit"])
@example(steps=["emit", "resume", "flush", "emit"])
@example(steps=["emit", "resume", "flush", "worker"])
def test_the_log_counts_whatever_happens(
    server: str, tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """In any order of emitting, writing, losing the stream, resuming and kills: no gap, no repeat, nothing lost.

    Except events that only the broker had when it lost its data: those of workers, and of a killed orchestrator.
    """
    path = tmp_path_factory.mktemp("log") / "r.jsonl"
    due: set[str] = set()
    unwritten: set[str] = set()
    only_there: set[str] = set()
    with Redis.from_url(server) as redis:
        redis.flushall()
        telemetry = Emitter(redis, RUN, path).__enter__()
        for number, step in enumerate([*steps, "resume"]):
            name = f"{step} {number}"
            if step in ("emit", "worker"):
                emit_note(telemetry, name) if step == "emit" else emit_as_worker(redis, name)
                due.add(name)
                unwritten.add(name)
                only_there |= {name} if step == "worker" else set()
            if step in ("write", "resume"):
                telemetry.write_new()
                unwritten, only_there = set(), set()
            if step in ("resume", "kill"):
                telemetry.__exit__(None, None, None)
                telemetry = Emitter(redis, RUN, path).__enter__()
                only_there = set(unwritten)
            if step == "flush":
                forget(redis)
                due, unwritten, only_there = due - only_there, unwritten - only_there, set()
        telemetry.__exit__(None, None, None)
        redis.flushall()
    messages = logged(path)
    assert len(messages) == len(set(messages))
    assert due <= set(messages)
