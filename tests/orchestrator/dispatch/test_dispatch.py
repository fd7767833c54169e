"""Who is sent what, and how work ends: on a real server and ledger, with a fleet that the test plays."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dispatch.backlog import Item
from orchestrator.dispatch.loop import MAX_STRIKES
from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import FailureClass, Outcome, Role, Status, work_name
from schemas.redis.keys import alone_key
from tests.doubles.playing import (
    Ends,
    Habit,
    Played,
    Worker,
    fails,
    holds,
    keeps,
    loses,
    playing,
    rests,
    silence,
    spells,
    swallows,
    teachers,
    works,
)
from tests.strategies import examples


class Enough(Exception):
    """The test has seen what it wanted to see."""


def until(condition: Callable[[], object]) -> Callable[[], None]:
    """Ends the run once `condition` holds."""

    def watch() -> None:
        if condition():
            raise Enough

    return watch


def names(items: Iterable[Item]) -> list[str]:
    return [work_name(item.work) for item in items]


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
        task = next(item.work for item in work if work_name(item.work) == outcome.name)
        return [Item(task.model_copy(update={"role": Role.STUDENT}))]

    played.dispatcher(ledger).run(work, student_of)
    assert Counter(ends) == Counter((role, name) for role in (Role.TEACHER, Role.STUDENT) for name in names(work))
    assert len(played.sent) == 16
    assert {device for _, device, _ in played.sent} == {"d0", "d1"}


def test_no_device_has_more_than_slots_and_one(ledger: Ledger, played: Played) -> None:
    """While nothing comes back, each device is sent as many pieces as it has slots, one more, and no other."""
    played.add("d0", slots=2, habit=keeps)
    played.add("d1", slots=3, habit=rests)
    played.watch = until(lambda: played.looks == 10)
    with pytest.raises(Enough):
        played.dispatcher(ledger).run(teachers(ledger, 9, "A") + teachers(ledger, 9, "B"), Ends())
    assert Counter(device for _, device, _ in played.sent) == {"d0": 3, "d1": 4}


@pytest.mark.parametrize(("slots", "pieces"), [((1, 1), 2), ((2, 3), 5), ((4, 1), 6), ((1, 4), 5), ((1, 2, 4), 7)])
def test_nobody_gets_a_reserve_while_another_has_a_free_slot(
    ledger: Ledger, played: Played, slots: tuple[int, ...], pieces: int
) -> None:
    """However few pieces there are and however unlike the devices, slots are filled first, then reserves."""
    for number, count in enumerate(slots):
        played.add(f"d{number}", count, habit=keeps)
    played.watch = until(lambda: played.looks == 2)
    with pytest.raises(Enough):
        played.dispatcher(ledger).run(teachers(ledger, pieces), Ends())
    out = Counter(device for _, device, _ in played.sent)
    assert sum(min(out[f"d{number}"], count) for number, count in enumerate(slots)) == min(pieces, sum(slots)), out


def test_a_device_with_other_versions_gets_nothing(ledger: Ledger, played: Played) -> None:
    """A worker whose code would make other artifacts idles, and the screen says once why."""
    played.add("d0")
    played.add("d1", versions={"gurukul": "0.0.0"})
    played.dispatcher(ledger).run(teachers(ledger, 6), Ends())
    assert {device for _, device, _ in played.sent} == {"d0"}
    assert played.screen.getvalue().count("d1 gets no work") == 1


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        (FailureClass.DATA, 1),
        (FailureClass.BUG, 1),
        (FailureClass.TIMEOUT, 1),
        (FailureClass.TRANSIENT, MAX_STRIKES),
        (FailureClass.OOM, MAX_STRIKES),
        (FailureClass.LOST, MAX_STRIKES),
    ],
)
def test_only_what_may_pass_is_tried_again(
    ledger: Ledger, played: Played, failure: FailureClass, attempts: int
) -> None:
    """Data, bug and timeout end at the first attempt; transient, oom and lost at the third, which is said."""
    played.add("d0", habit=partial(fails, failure=failure))
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    (end,) = ends.heard
    assert (end.status, end.failure, end.attempt) == (Status.FAILED, failure, attempts)
    assert ("given up after 3 times" in end.message) == (attempts == MAX_STRIKES)
    assert [attempt for _, _, attempt in played.sent] == list(range(1, attempts + 1))


def test_a_failure_that_passes_is_forgiven(ledger: Ledger, played: Played) -> None:
    """A piece that fails twice in a way that may pass, then succeeds, has succeeded; its attempts are on record."""
    failing = partial(fails, failure=FailureClass.TRANSIENT)
    worker = played.add("d0", habit=failing)
    played.watch = lambda: setattr(worker, "habit", works if len(played.sent) == MAX_STRIKES else failing)
    ends = Ends()
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    assert [(end.status, end.attempt) for end in ends.heard] == [(Status.SUCCESS, 3)]
    assert ledger.counts(Role.TEACHER) == {"success": 1}


def test_a_second_attempt_goes_elsewhere(ledger: Ledger, played: Played) -> None:
    """What a device failed goes to another as soon as there is one, though the device that failed it idles, too."""
    played.add("d0", habit=partial(fails, failure=FailureClass.TRANSIENT))
    played.at(2, lambda: played.add("d1"))
    work, ends = teachers(ledger, 1), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert played.devices_of(names(work)[0]) == ["d0", "d1"]
    assert [end.status for end in ends.heard] == [Status.SUCCESS]


def test_oom_is_tried_again_alone(ledger: Ledger, played: Played) -> None:
    """What ran out of memory gets a device for itself: nothing else is there, and other runs keep away meanwhile."""
    seen: set[tuple[int, object]] = set()

    def habit(worker: Worker) -> None:
        """Run out of memory at every first attempt, and end every other well."""
        there = [*worker.running, *worker.held, *played.queued("d0")]
        again = any(not identity.endswith("/1") for identity in there)
        if again:
            seen.add((len(there), played.redis.getdel(alone_key("d0"))))
        (works if again else partial(fails, failure=FailureClass.OOM))(worker)

    played.add("d0", slots=2, habit=habit)
    work, ends = teachers(ledger, 5), Ends()
    played.dispatcher(ledger).run(work, ends)
    assert sorted(ends.names) == sorted(names(work))
    assert [(end.status, end.attempt) for end in ends.heard] == [(Status.SUCCESS, 2)] * 5
    assert seen == {(1, b"r")}
    assert played.redis.get(alone_key("d0")) is None


def test_a_device_that_another_run_needs_alone_gets_nothing(ledger: Ledger, played: Played) -> None:
    """While `alone:<device>` names another run, that device gets no work; once it is gone, it does."""
    played.add("d0")
    played.redis.set(alone_key("d0"), "another")
    played.at(20, lambda: played.redis.delete(alone_key("d0")))
    ends = Ends(lambda outcome: played.looks)
    played.dispatcher(ledger).run(teachers(ledger, 1), ends)
    assert ends.notes[0] > 20


def test_two_runs_share_a_fleet(played: Played, tmp_path: Path) -> None:
    """Two runs on one device take turns there: either has ended some of its work before the other has ended all."""
    worker = played.add("d0", habit=rests)
    order: list[str] = []
    one_at_a_time, alone = Lock(), played.tend

    def tend() -> None:
        with one_at_a_time:
            if {identity.split("/")[0] for identity in played.queued("d0")} == {"one", "two"}:
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


HABITS: dict[str, Habit] = {
    "works": works,
    "keeps": keeps,
    "holds": holds,
    "rests": rests,
    "swallows": swallows,
    "loses": loses,
    "silence": silence,
    "transient": partial(fails, failure=FailureClass.TRANSIENT),
    "oom": partial(fails, failure=FailureClass.OOM),
    "bug": partial(fails, failure=FailureClass.BUG),
}


@examples(25)
@given(
    lives=st.lists(
        st.tuples(
            st.integers(1, 3), st.lists(st.tuples(st.sampled_from(sorted(HABITS)), st.integers(1, 12)), max_size=5)
        ),
        min_size=1,
        max_size=3,
    ),
    pieces=st.integers(1, 8),
)
def test_whatever_befalls_the_fleet_every_piece_ends_once(
    server: str, tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[int, list[tuple[str, int]]]], pieces: int
) -> None:
    """However devices lose, hold, fail or fall silent before they work again, each piece ends once; nothing is left.

    Only what began and failed three times has failed; what is on record is what was heard.
    """
    with playing(server) as played, closing(Ledger.create(tmp_path_factory.mktemp("life") / "ledger.db")) as ledger:
        for number, (slots, life) in enumerate(lives):
            played.add(f"d{number}", slots, spells(*((HABITS[habit], looks) for habit, looks in life), (works, 1)))
        work, ends = teachers(ledger, pieces), Ends()
        dispatcher = played.dispatcher(ledger)
        dispatcher.run(work, ends)
        assert sorted(ends.names) == sorted(names(work))
        recorded = {record.name: (record.status, record.attempt) for record in ledger.records(Role.TEACHER)}
        assert recorded == {end.name: (end.status, end.attempt) for end in ends.heard}
        failed = [end for end in ends.heard if end.status is Status.FAILED]
        assert all(end.failure is FailureClass.BUG or end.attempt >= MAX_STRIKES for end in failed)
        dispatcher.finish()
        assert not any(played.queued(name) for name in played.workers)
