"""What becomes of attempts that are swallowed, lost, late, left behind, stuck or not wanted any more."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from orchestrator.dispatch.loop import MAX_STRIKES, STRAY_S
from orchestrator.dispatch.presence_reader import GONE_S, REFRESH_S
from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import FailureClass, Role, Status, work_name
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import claim
from schemas.redis.keys import attempts_key
from tests.doubles.playing import (
    RUN,
    Ends,
    Played,
    Worker,
    fails,
    forget,
    holds,
    keeps,
    loses,
    rests,
    silence,
    spells,
    swallows,
    teachers,
    works,
)

# The look in which a device that has fallen silent counts as gone.
GONE_LOOKS = int(GONE_S / REFRESH_S) + 1


def identity(name: str, attempt: int) -> str:
    return str(AttemptId(RUN, Role.TEACHER, name, attempt))


def test_what_was_not_begun_is_sent_again_without_a_strike(ledger: Ledger, played: Played) -> None:
    """An attempt that vanishes unbegun, however often, is sent again to the same device, and can still succeed."""
    worker = played.add("d0", habit=swallows)
    played.watch = lambda: setattr(worker, "habit", works if len(played.sent) > 2 * MAX_STRIKES else swallows)
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    (end,) = ends.heard
    assert end.status is Status.SUCCESS
    assert end.attempt > 2 * MAX_STRIKES


def test_what_begins_and_is_lost_three_times_has_failed(ledger: Ledger, played: Played) -> None:
    """A piece that disappears each time it has begun is given up as lost, and says so."""
    played.add("d0", habit=loses)
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    (end,) = ends.heard
    assert (end.status, end.failure, end.attempt) == (Status.FAILED, FailureClass.LOST, MAX_STRIKES)
    assert "given up after 3 times" in end.message
    assert ledger.counts(Role.TEACHER) == {"failed": 1}


@pytest.mark.parametrize("habit", [rests, holds, keeps])
def test_a_silent_devices_work_goes_to_another(ledger: Ledger, played: Played, habit: Callable[[Worker], None]) -> None:
    """All that a device has, queued, held or running, is on another soon after it fell silent, and ends there once."""
    work = teachers(ledger, 4)
    played.add("d0", habit=spells((habit, 4), (silence, 1)))
    played.at(4, lambda: played.add("d1"))
    ends = Ends()
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(work_name(item.work) for item in work)
    assert {end.device for end in ends.heard} == {"d1"}
    assert not played.queued("d0")
    assert played.looks < 10 + GONE_LOOKS + 2 * len(work)


def test_a_short_silence_costs_nothing(ledger: Ledger, played: Played) -> None:
    """A device that is not seen for less than GONE_S goes on with what it has: nothing is sent a second time."""
    played.add("d0", slots=2, habit=spells((keeps, 3), (silence, GONE_LOOKS - 2), (works, 1)))
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 3), ends)
    assert [end.attempt for end in ends.heard] == [1, 1, 1]


def test_an_outcome_that_is_in_saves_its_attempt(ledger: Ledger, played: Played) -> None:
    """Two attempts are found lost in one look while both outcomes wait in the stream: both count."""
    worker = played.add("d0", slots=2, habit=spells((keeps, 3), (silence, 1)))
    played.at(3 + GONE_LOOKS + 1, worker.end)
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 2), ends)
    assert [(end.status, end.attempt) for end in ends.heard] == [(Status.SUCCESS, 1)] * 2
    assert len(played.sent) == 2


@pytest.mark.parametrize(
    "late",
    [
        {"status": Status.SUCCESS},
        {"status": Status.FAILED, "failure": FailureClass.BUG},
        {"status": Status.FAILED, "failure": FailureClass.LOST},
    ],
)
def test_a_late_twin_changes_nothing(ledger: Ledger, played: Played, late: dict[str, Any]) -> None:
    """What a device reports after its work was sent elsewhere, however it ended, is not heard."""
    first = played.add("d0", habit=spells((keeps, 3), (silence, 1)))
    played.add("d1", habit=spells((keeps, 30), (works, 1)))
    played.at(25, lambda: first.end(message="late", **late))
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    assert [(end.attempt, end.device, end.message) for end in ends.heard] == [(2, "d1", "")]
    assert ledger.records(Role.TEACHER)[0].device == "d1"


def test_a_broker_that_forgot_everything_costs_no_strike(ledger: Ledger, played: Played) -> None:
    """After FLUSHALL what runs may end, and what waited is sent again: every piece ends once."""
    played.add("d0", slots=2, habit=spells((keeps, 6), (works, 1)))
    played.at(4, lambda: forget(played.redis))
    work, ends = teachers(ledger, 6), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(work_name(item.work) for item in work)
    assert {end.status for end in ends.heard} == {Status.SUCCESS}
    assert all(end.attempt == 1 for end in ends.heard[:2])


def test_a_lost_devices_symbols_are_anybodys(ledger: Ledger, played: Played) -> None:
    """What a device that was lost used to hold is no longer kept from others: they get it as a reserve, too."""
    played.add("d0", habit=spells((keeps, 3), (silence, 1)))
    played.at(15, lambda: played.add("d1", slots=3, habit=spells((keeps, 30), (works, 1))))
    ends = Ends(lambda outcome: [device for _, device, _ in played.sent].count("d1"))
    played.dispatcher(ledger).run(teachers(ledger, 6), ends)
    assert ends.notes[0] == 4


@pytest.mark.parametrize("outdated", [True, False])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_draining_device_keeps_only_what_it_runs(ledger: Ledger, played: Played, ahead: int, outdated: bool) -> None:
    """What has not begun there, in its queue or its hands, goes elsewhere; what runs, by heartbeat or not, stays."""
    worker = played.add("d0", slots=2, habit=keeps)
    worker.ahead = ahead
    work, ends = teachers(ledger, 8), Ends()

    def watch() -> None:
        if played.looks == 3:
            worker.draining, worker.outdated, worker.habit = True, outdated, rests
        if played.looks == 10:
            assert played.queued("d0") == []
            assert len(worker.held) == ahead
            for task in worker.held.values():
                assert not claim(played.redis, RUN, task.role, work_name(task), task.attempt, "d0")
            played.add("d1")
        if played.looks == 30:
            worker.end()

    played.watch = watch
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(work_name(item.work) for item in work)
    assert [device for _, device, _ in played.sent].count("d0") == 3
    there = [(end.name, end.attempt) for end in ends.heard if end.device == "d0"]
    assert there == [(work_name(item.work), 1) for item in work[:2]]


@pytest.mark.parametrize("ahead", [0, 1])
def test_an_idle_device_gets_what_waits_behind_running_work(ledger: Ledger, played: Played, ahead: int) -> None:
    """With nothing left to hand out, a reserve that has waited longer than STEAL_AFTER_S goes to a free slot."""
    worker = played.add("d0", habit=spells((keeps, 30), (works, 1)))
    worker.ahead = ahead
    (first, second), ends = teachers(ledger, 2), Ends()

    def watch() -> None:
        if played.looks == 10:
            played.add("d1")
        if played.looks == 25:
            assert played.queued("d0") == []

    played.watch = watch
    played.dispatcher(ledger).run([first, second], ends)
    assert played.devices_of(work_name(first.work)) == ["d0"]
    assert played.devices_of(work_name(second.work)) == ["d0", "d1"]
    assert ends.names == [work_name(second.work), work_name(first.work)]


def test_nothing_goes_back_and_forth(ledger: Ledger, played: Played) -> None:
    """A reserve that the idle device may not have stays where it is, however long it waits."""
    played.add("d0", habit=spells((keeps, 40), (works, 1)))
    played.add("d1", habit=partial(fails, failure=FailureClass.TRANSIENT))
    (running, spoiled), ends = teachers(ledger, 2), Ends()
    played.dispatcher(ledger).run([running, spoiled], ends)
    assert played.devices_of(work_name(running.work)) == ["d0"]
    assert played.devices_of(work_name(spoiled.work)) == ["d1", "d0"]


def test_what_waits_to_run_alone_waits_in_one_place(ledger: Ledger, played: Played) -> None:
    """An attempt that must be alone and is slow to begin is not sent to the same device again and again."""
    failing = partial(fails, failure=FailureClass.OOM)
    played.add("d0", habit=failing)
    played.add("d1", habit=spells((failing, 2), (rests, 40), (works, 1)))
    work, ends = teachers(ledger, 1), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert [end.status for end in ends.heard] == [Status.SUCCESS]
    assert len(played.sent) <= MAX_STRIKES


def test_work_that_runs_too_long_ends_as_timeout(ledger: Ledger, played: Played) -> None:
    """Past its limit it has failed for good, its process is ordered killed, and the next piece gets the slot."""
    played.add("d0", habit=keeps)
    work, ends = teachers(ledger, 2), Ends()
    played.dispatcher(ledger, window_limit_s=5.0).run(work, ends)
    names = [work_name(item.work) for item in work]
    assert [(end.name, end.status, end.failure) for end in ends.heard] == [
        (name, Status.FAILED, FailureClass.TIMEOUT) for name in names
    ]
    assert all("longer than 5 s" in end.message for end in ends.heard)
    assert played.killed == [(identity(name, 1), "d0") for name in names]


def test_waiting_does_not_count_against_the_limit(ledger: Ledger, played: Played) -> None:
    """A piece that waits in a worker's hands for longer than the limit is no timeout."""
    played.add("d0", habit=spells((holds, 30), (works, 1)))
    ends = Ends()
    played.dispatcher(ledger, window_limit_s=5.0).run(teachers(ledger, 2), ends)
    assert [end.status for end in ends.heard] == [Status.SUCCESS] * 2


def test_what_runs_though_it_was_sent_elsewhere_is_ended(ledger: Ledger, played: Played) -> None:
    """A device that comes back with an attempt that another has since been given is told to end it, after STRAY_S."""
    (item,), ends = teachers(ledger, 1), Ends()
    first = played.add("d0", habit=spells((keeps, 3), (silence, 12), (rests, 1)))
    second = played.add("d1", habit=keeps)
    back: list[int] = []

    def watch() -> None:
        if second.running and first.running and not first.silent:
            back.append(played.looks)
        if back and not first.running:
            second.habit = works

    played.watch = watch
    played.dispatcher(ledger).run([item], ends)
    assert set(played.killed) == {(identity(work_name(item.work), 1), "d0")}
    assert len(back) > STRAY_S / REFRESH_S
    assert [end.attempt for end in ends.heard] == [2]


def test_other_runs_work_is_no_stray(ledger: Ledger, played: Played) -> None:
    """What another run has on a device, also one whose name begins like this one's, is left alone."""
    worker = played.add("d0", slots=3, habit=spells((keeps, 20), (works, 1)))
    (foreign,) = teachers(ledger, 1, run_id=f"{RUN}2")
    worker.running[str(AttemptId(f"{RUN}2", Role.TEACHER, "x", 1))] = foreign.work  # type: ignore[assignment]
    played.dispatcher(ledger).run(teachers(ledger, 1), Ends())
    assert played.killed == []


def test_an_attempt_that_was_taken_back_cannot_begin(ledger: Ledger, played: Played) -> None:
    """A device that holds an attempt, falls silent and comes back cannot begin it: it has gone elsewhere."""
    worker = played.add("d0", habit=spells((holds, 3), (silence, 8), (keeps, 1)))
    played.add("d1", habit=spells((keeps, 30), (works, 1)))
    work, ends = teachers(ledger, 1), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert [(end.device, end.attempt) for end in ends.heard] == [("d1", 2)]
    assert not worker.held
    assert played.killed == []
    known = played.redis.hget(attempts_key(RUN), f"teacher/{work_name(work[0].work)}")
    assert known == b"2 d1"
