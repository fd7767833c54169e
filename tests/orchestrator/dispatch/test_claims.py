"""The scripts decide, on a real server, which attempt may begin and which worker may claim it."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from orchestrator.dispatch.broker_fleet import clear
from orchestrator.events.stream_reader import read_beyond
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.task import Outcome, Role, Status
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import allow, claim, claimants, recall, unclaimed
from schemas.redis.keys import RUN_KEYS_EXPIRY_S, attempts_key, events_stream
from tests.strategies import examples

WORK = ("r", "teacher", "A_2022-01-01_to_2022-06-30")
STUDENT = ("r", "student", "A_2022-01-01_to_2022-06-30")


def test_an_attempt_is_begun_once(redis: Redis) -> None:
    """Only the first claimant of an allowed attempt begins it."""
    allow(redis, *WORK, 1)
    assert claim(redis, *WORK, 1, "d0 17")
    assert not claim(redis, *WORK, 1, "d0 18")
    assert not claim(redis, *WORK, 1, "d0 1")


@pytest.mark.parametrize(
    ("claimed", "device", "words"),
    [
        ((1, "d0 17"), "d0", ""),
        ((1, "d0"), "d0", ""),
        ((1, ""), "d0", "no device has claimed attempt 1"),
        ((1, "d1 17"), "d0", "d1 has claimed attempt 1"),
        ((1, "d01 17"), "d0", "d01 has claimed attempt 1"),
        ((2, "d1 17"), "d0", ""),  # superseded: its number decides
        (None, "d0", ""),  # the broker lost its data
    ],
)
def test_an_outcome_needs_the_claim_of_its_device(
    redis: Redis, claimed: tuple[int, str] | None, device: str, words: str
) -> None:
    """An outcome of an attempt that no worker, or another device's, has claimed is refused with a reason."""
    if claimed is not None:
        number, claimant = claimed
        allow(redis, *WORK, number)
        assert not claimant or claim(redis, *WORK, number, claimant)
    run, role, name = WORK
    outcome = Outcome(
        run_id=run, role=Role(role), name=name, attempt=1, device=device, status=Status.SUCCESS
    )  # fmt: skip
    (why,) = unclaimed(redis, run, [outcome])
    assert words in why and bool(words) == bool(why)


def test_a_claimant_may_ask_twice(redis: Redis) -> None:
    """A worker whose reply was lost claims again and still has the attempt."""
    allow(redis, *WORK, 1)
    assert claim(redis, *WORK, 1, "d0 17")
    assert claim(redis, *WORK, 1, "d0 17")


def test_the_event_of_a_claim_is_emitted_once(redis: Redis) -> None:
    """The event that goes with a claim is in the stream once: a claim that is repeated or refused emits nothing."""
    event = TrainingEvent(run_id="r", event_type=EventType.TEACHER_WINDOW_START, status=EventStatus.IN_PROGRESS)
    allow(redis, *WORK, 1)
    assert [claim(redis, *WORK, 1, who, event) for who in ("d0 17", "d0 17", "d1 1")] == [True, True, False]
    (body,) = [body for _, body in read_beyond(redis, events_stream("r"), "0-0", "event", 10, block_ms=None)]
    assert TrainingEvent.model_validate_json(body) == event.model_copy(update={"seq": 1})


def test_of_many_claimants_one_wins(server: str, redis: Redis) -> None:
    """When sixteen claim one attempt at the same time, exactly one begins it."""
    allow(redis, *WORK, 1)

    def ask(number: int) -> bool:
        with Redis.from_url(server) as own:
            return claim(own, *WORK, 1, f"d{number} 1")

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def test_what_was_not_allowed_cannot_begin(redis: Redis) -> None:
    """An attempt that was not allowed, of that number, role, window or run, cannot begin."""
    assert not claim(redis, *WORK, 1, "d0 17")
    allow(redis, *WORK, 1)
    assert not claim(redis, *WORK, 11, "d0 17")
    assert not claim(redis, *STUDENT, 1, "d0 17")
    assert not claim(redis, "r2", *WORK[1:], 1, "d0 17")


@pytest.mark.parametrize("begun", [False, True])
def test_a_superseded_attempt_cannot_begin(redis: Redis, begun: bool) -> None:
    """Once a newer attempt was allowed, the older can no longer begin, also if it had been claimed; the newer can."""
    allow(redis, *WORK, 1)
    assert not begun or claim(redis, *WORK, 1, "d0 17")
    allow(redis, *WORK, 2)
    assert not claim(redis, *WORK, 1, "d0 17")
    assert claim(redis, *WORK, 2, "d1 17")


def test_a_recalled_attempt_cannot_begin(redis: Redis) -> None:
    """A recalled attempt can no longer begin, and can be recalled again."""
    allow(redis, *WORK, 1)
    assert recall(redis, *WORK, 1)
    assert not claim(redis, *WORK, 1, "d0 17")
    assert recall(redis, *WORK, 1)


def test_a_claimed_attempt_cannot_be_recalled(redis: Redis) -> None:
    """A claimed attempt cannot be recalled and stays its claimant's; the claim of another number does not matter."""
    allow(redis, *WORK, 1)
    claim(redis, *WORK, 1, "d0 17")
    assert not recall(redis, *WORK, 1)
    assert claim(redis, *WORK, 1, "d0 17")
    allow(redis, *STUDENT, 11)
    claim(redis, *STUDENT, 11, "d0 17")
    assert recall(redis, *WORK, 2)


def test_an_older_attempt_can_be_recalled_and_the_newer_stays(redis: Redis) -> None:
    """Recalling a superseded attempt does not affect the attempt that replaced it."""
    allow(redis, *WORK, 1)
    allow(redis, *WORK, 2)
    assert recall(redis, *WORK, 1)
    assert claim(redis, *WORK, 2, "d0 17")


def test_nothing_of_a_cleared_run_can_begin(redis: Redis) -> None:
    """After a run is cleared, an attempt of it that a worker holds can no longer begin; another run's can."""
    for run in ("r", "r2"):
        allow(redis, run, *WORK[1:], 1)
    clear(redis, "r", ["d0"])
    assert not claim(redis, *WORK, 1, "d0 17")
    assert claim(redis, "r2", *WORK[1:], 1, "d0 17")


def test_attempts_of_a_run_without_an_end_expire(redis: Redis) -> None:
    """The hash of a run expires."""
    allow(redis, *WORK, 1)
    assert 0 < redis.ttl(attempts_key("r")) <= RUN_KEYS_EXPIRY_S


steps = st.one_of(
    st.just(("allow", 0)),
    st.tuples(st.just("recall"), st.just(0)),
    st.tuples(st.sampled_from(["d0 1", "d0 2", "d1 1"]), st.integers(0, 2)),
)
runs = count()


@examples(80)
@given(steps=st.lists(steps, max_size=25))
def test_no_two_claimants_without_a_newer_attempt_between(server: str, steps: list[tuple[str, int]]) -> None:
    """However attempts are claimed and recalled, each has at most one claimant, and only the newest can be claimed.

    A recalled attempt has no claimant, and a claimed one cannot be recalled.
    """
    work = (f"r{next(runs)}", "teacher", "x")
    newest, claimants, recalled = 0, dict[int, str](), set[int]()
    with Redis.from_url(server) as redis:
        for step, back in steps:
            attempt: Any = newest - back
            if step == "allow":
                newest += 1
                allow(redis, *work, newest)
            elif step == "recall":
                taken_back = recall(redis, *work, newest)
                assert taken_back == (newest not in claimants)
                recalled |= {newest} if taken_back else set()
            elif claim(redis, *work, attempt, step):
                assert attempt == newest > 0
                assert attempt not in recalled
                assert claimants.setdefault(attempt, step) == step
            else:
                assert attempt != newest or not newest or attempt in recalled or claimants[attempt] != step


def test_claimants_are_known_for_newest_attempts_alone(redis: Redis) -> None:
    """Device of a claim, empty for an attempt that may begin; nothing of superseded, unknown ones or a wrong type."""
    allow(redis, *WORK, 2)
    allow(redis, *STUDENT, 1)
    assert claim(redis, *STUDENT, 1, "d0 17")
    redis.set(attempts_key("wrong"), "x")
    asked = [AttemptId(run, Role(role), name, attempt) for run, role, name, attempt in (
        (*WORK, 1), (*WORK, 2), (*STUDENT, 1), ("r", "teacher", "unknown", 1), ("gone", "teacher", "x", 1),
        ("wrong", "teacher", "x", 1),
    )]  # fmt: skip
    assert claimants(redis, asked) == {asked[1]: "", asked[2]: "d0"}
    assert claimants(redis, []) == {}
