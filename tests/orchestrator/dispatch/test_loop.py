"""The loop on a real broker and ledger with a played fleet: the few promises that need both."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Lock

from orchestrator.dispatch.played_fleet import fails, holds, idles, in_turn, is_silent, keeps, works
from orchestrator.dispatch.work import Item
from orchestrator.ledger.ledger import Ledger
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.redis.attempt_id import AttemptId
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.events import emit
from schemas.redis.keys import (
    DEVICES,
    PRESENCES,
    RUN_KEYS_LINGER_S,
    SHARES,
    alone_key,
    attempts_key,
    events_stream,
    outcomes_stream,
    sequence_key,
)
from schemas.redis.presences import cordon, uncordon
from tests.doubles.playing import RUN, Ends, Played, Worker, forget, teachers


def names(items: Iterable[Item]) -> list[str]:
    return [item.key[1] for item in items]


def test_every_piece_ends_once(ledger: Ledger, played: Played) -> None:
    """Work of two symbols goes to two devices, and a student for each teacher: each is sent once and ends once."""
    played.add("d0")
    played.add("d1", slots=2)
    work = teachers(ledger, 4, "A") + teachers(ledger, 4, "B")
    ends: list[tuple[Role, str]] = []

    def student_of(outcome: Outcome) -> list[Item]:
        ends.append((outcome.role, outcome.name))
        if outcome.role is Role.STUDENT:
            return []
        ledger.add(Role.STUDENT, [outcome.name])
        task = next(item.task() for item in work if item.key[1] == outcome.name)
        return [Item(task.model_copy(update={"role": Role.STUDENT}))]

    played.dispatcher(ledger).run(work, student_of)
    assert Counter(ends) == Counter((role, name) for role in (Role.TEACHER, Role.STUDENT) for name in names(work))
    assert len(played.sent) == 16
    assert {device for _, device, _ in played.sent} == {"d0", "d1"}


def test_oom_is_tried_again_alone(ledger: Ledger, played: Played) -> None:
    """Work that ran out of memory gets a device alone: no other work is there, and other runs do not use it."""
    seen: set[tuple[int, object]] = set()

    def habit(worker: Worker) -> None:
        """Run out of memory at every first attempt, and succeed at every other."""
        there = [*worker.running, *worker.held, *played.queued("d0")]
        again = any(not identity.endswith("/1") for identity in there)
        if again:
            seen.add((len(there), played.redis.getdel(alone_key("d0"))))
        (works if again else fails(FailureClass.OOM))(worker)

    played.add("d0", slots=2, habit=habit)
    work, ends = teachers(ledger, 5), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(names(work))
    assert [(end.status, end.attempt) for end in ends.received] == [(Status.SUCCESS, 2)] * 5
    assert seen == {(1, b"r")}
    assert played.redis.get(alone_key("d0")) is None


def test_forged_outcomes_count_for_nothing(ledger: Ledger, played: Played) -> None:
    """Of an unclaimed attempt, another device or another run: dead letters. The outcome of the worker counts."""
    played.add("d0", habit=in_turn((keeps, 6), (works, 1)))
    work, ends = teachers(ledger, 2), Ends()
    first, second = (item.key[1] for item in work)

    def forge() -> None:
        forged = Outcome(run_id=RUN, role=Role.TEACHER, name=first, attempt=1, device="d9", status=Status.SUCCESS)
        for changes in ({}, {"name": second, "device": "d0"}, {"name": "unknown"}, {"run_id": "another"}):
            body = forged.model_copy(update=changes).model_dump_json()
            played.redis.xadd(outcomes_stream(RUN), {"outcome": body})

    played.at(4, forge)
    played.dispatcher(ledger).run(work, ends)
    assert [(end.name, end.device, end.metrics) for end in ends.received] == [(first, "d0", {}), (second, "d0", {})]
    assert [end.duration_seconds for end in ends.received] == [0.5, 0.5]
    assert read_dead_letters(played.redis, 9)[0] == {Place.OUTCOMES: 3}


def test_two_runs_share_a_fleet(played: Played, tmp_path: Path) -> None:
    """Two runs on one device take turns: each ends some of its work before the other has ended all."""
    worker = played.add("d0", habit=idles)
    order: list[str] = []
    one_at_a_time, alone = Lock(), played.tend

    def tend() -> None:
        with one_at_a_time:
            if played.redis.hlen(SHARES) == 2:
                worker.habit = works
            alone()

    def run(run_id: str) -> None:
        with closing(Ledger.create(tmp_path / f"{run_id}.db")) as ledger:
            work = teachers(ledger, 8, run_id=run_id)
            played.dispatcher(ledger, run_id).run(work, Ends(lambda outcome: order.append(outcome.run_id)))

    played.tend = tend  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, ["one", "two"]))
    assert Counter(order) == {"one": 8, "two": 8}
    assert {*order[:8]} == {*order[8:]} == {"one", "two"}


def test_a_broker_that_forgot_everything_costs_no_strike(ledger: Ledger, played: Played) -> None:
    """After FLUSHALL running attempts may end, and waiting ones are sent again: every piece ends once."""
    played.add("d0", slots=2, habit=in_turn((keeps, 6), (works, 1)))
    played.at(4, lambda: forget(played.redis))
    work, ends = teachers(ledger, 6), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(item.key[1] for item in work)
    assert {end.status for end in ends.received} == {Status.SUCCESS}
    assert all(end.attempt == 1 for end in ends.received[:2])


def test_other_runs_work_is_no_stray(ledger: Ledger, played: Played) -> None:
    """Another run's attempt on a device is not touched, even if its run id begins like this run's."""
    worker = played.add("d0", slots=3, habit=in_turn((keeps, 20), (works, 1)))
    (foreign,) = teachers(ledger, 1, run_id=f"{RUN}2")
    worker.running[str(AttemptId(f"{RUN}2", Role.TEACHER, "x", 1))] = foreign.work  # type: ignore[assignment]
    played.dispatcher(ledger).run(teachers(ledger, 1), Ends())
    assert played.killed == []


def test_an_attempt_that_was_taken_back_cannot_begin(ledger: Ledger, played: Played) -> None:
    """A device that holds an attempt, falls silent and comes back cannot begin it: it has gone elsewhere."""
    worker = played.add("d0", habit=in_turn((holds, 3), (is_silent, 8), (keeps, 1)))
    played.add("d1", habit=in_turn((keeps, 30), (works, 1)))
    work, ends = teachers(ledger, 1), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert [(end.device, end.attempt) for end in ends.received] == [("d1", 2)]
    assert not worker.held
    assert played.killed == []
    known = played.redis.hget(attempts_key(RUN), f"teacher/{work[0].key[1]}")
    assert known == b"2 d1"


def test_a_run_leaves_no_key_behind(ledger: Ledger, played: Played) -> None:
    """After a run has ended the broker holds heartbeats, and events that expire within a minute."""
    played.add("d0")
    dispatcher = played.dispatcher(ledger)
    emit(played.redis, TrainingEvent(run_id=RUN, event_type=EventType.RUN_START, status=EventStatus.IN_PROGRESS))
    dispatcher.run(teachers(ledger, 3), Ends())
    dispatcher.clear_broker()
    left = {key.decode() for key in played.redis.scan_iter()}
    lingering = {events_stream(RUN), sequence_key(RUN)}
    assert left == {DEVICES, PRESENCES} | lingering
    assert all(0 < played.redis.ttl(key) <= RUN_KEYS_LINGER_S for key in lingering)
    assert all(played.redis.ttl(key) > 0 for key in (DEVICES, PRESENCES))


def test_a_cordoned_device_finishes_what_it_runs_and_gets_nothing_more(ledger: Ledger, played: Played) -> None:
    """What waits there goes to another device; once it is uncordoned it gets work again."""
    worker = played.add("d0", habit=in_turn((keeps, 6), (works, 1)))
    played.add("d1", habit=in_turn((keeps, 6), (works, 1)))
    played.at(3, lambda: cordon(played.redis, ["d0"]))
    alone: list[int] = []
    played.watch = lambda: alone.append(len(worker.running) + len(worker.held))
    played.at(30, lambda: uncordon(played.redis, ["d0"]))
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 60), ends)
    assert len(ends.received) == 60 and all(end.status is Status.SUCCESS for end in ends.received)
    assert alone[2] == 2 and alone[10:28] == [0] * 18
    devices = [end.device for end in ends.received]
    assert set(devices[1:15]) == {"d1"} and "d0" in devices[30:]
    assert devices[0] == "d0" or devices[1] == "d0"  # it finished what it ran


def test_a_run_waits_for_as_many_devices_as_it_asks_for(ledger: Ledger, played: Played) -> None:
    """Nothing is sent before, the reason is shown; when one leaves again the run goes on with the others."""
    played.add("d0")
    dispatcher = played.dispatcher(ledger, least_devices=2)
    sent_before: list[int] = []
    played.watch = lambda: sent_before.append(len(played.sent))
    played.at(5, lambda: played.add("d1", habit=in_turn((works, 3), (is_silent, 1))))
    played.at(4, lambda: reasons.append(ledger.get("waiting")))
    reasons: list[str | None] = []
    dispatcher.run(teachers(ledger, 12), Ends())
    assert sent_before[:6] == [0] * 6 and len(played.sent) >= 12
    assert reasons == ["1 of the 2 devices that --min-devices asks for are online and can work for this run"]
    assert ledger.get("waiting") == ""
