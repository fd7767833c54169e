"""The loop and its policy on a played fleet in memory: whatever devices do, every piece ends once."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rich.console import Console

from orchestrator.dispatch.fleet import REFRESH_S
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.played_fleet import (
    DATA_DIR,
    Habit,
    PlayedFleet,
    PlayedWorker,
    drains,
    fails,
    holds,
    idles,
    in_turn,
    is_silent,
    keeps,
    loses_held,
    loses_running,
    works,
)
from orchestrator.dispatch.policy import LEFT_S, MAX_STRIKES, MOST_UNBEGUN, STRAY_S, UNTAKEN_S
from orchestrator.dispatch.presence_reader import GONE_S
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.event import TrainingEvent
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, Outcome, Role, Status
from schemas.redis.attempt_id import AttemptId
from tests.orchestrator.dispatch.views import RUN, piece, sent
from tests.strategies import examples


def cut_off(worker: PlayedWorker) -> None:
    """Go on running; no heartbeat arrives."""
    worker.cut = True


def reconnects(worker: PlayedWorker) -> None:
    """Send heartbeats again."""
    worker.cut = False


GONE_LOOKS = int(GONE_S / REFRESH_S) + 1


class Play:
    """A played fleet, a ledger in memory, and the loop between them; remembers events and outcomes."""

    def __init__(self, ledger: Ledger, window_limit_s: float | None = None) -> None:
        self.fleet, self.ledger, self.limit_s = PlayedFleet(), ledger, window_limit_s
        self.ends: list[Outcome] = []
        self.foreign: Callable[[Outcome], str] = lambda outcome: ""
        self.events: list[TrainingEvent] = []

    def run(self, count: int, symbols: str = "A", students: bool = False) -> list[str]:
        """Run `count` teachers of each symbol to their end, and a student for each; returns the teachers' names."""
        items = [piece(symbol, number, size=count - number) for symbol in symbols for number in range(count)]
        self.ledger.add(Role.TEACHER, [item.key[1] for item in items])
        tasks = {item.key[1]: item.task() for item in items}

        def on_end(outcome: Outcome) -> list[Item]:
            self.ends.append(outcome)
            if not students or outcome.role is Role.STUDENT:
                return []
            self.ledger.add(Role.STUDENT, [outcome.name])
            return [Item(tasks[outcome.name].model_copy(update={"role": Role.STUDENT}))]

        # Without a log the emitter sends nothing, so it needs no broker.
        emitter = Emitter(cast(Redis, None), RUN, None, self.events.append)
        live_view = LiveView(Console(file=io.StringIO()), RUN)
        self.dispatcher = Dispatcher(
            RUN,
            Needs.of(DATA_DIR),
            self.fleet,
            self.ledger,
            emitter,
            live_view,
            lambda: None,
            self.limit_s,
            self.foreign,
        )
        self.dispatcher.run(items, on_end)
        return list(tasks)

    def devices_of(self, name: str) -> list[str]:
        """Devices to which a piece of work was sent, in order."""
        return [sent.device for sent in self.fleet.sent if sent.item.key[1] == name]


@pytest.fixture
def play() -> Iterator[Play]:
    """A fleet without a device."""
    with closing(Ledger.in_memory()) as ledger:
        yield Play(ledger)


def test_every_piece_ends_once(play: Play) -> None:
    """Work of two symbols goes to two devices, and a student for each teacher: each is sent once and ends once."""
    play.fleet.add("d0")
    play.fleet.add("d1", slots=2)
    names = play.run(4, "AB", students=True)
    expected = Counter((role, name) for role in (Role.TEACHER, Role.STUDENT) for name in names)
    assert Counter((end.role, end.name) for end in play.ends) == expected
    assert len(play.fleet.sent) == 16
    assert {each.device for each in play.fleet.sent} == {"d0", "d1"}


def test_a_device_with_other_versions_gets_nothing(play: Play) -> None:
    """A worker whose code would make other artifacts stays idle, and one event gives the reason."""
    play.fleet.add("d0")
    play.fleet.add("d1", versions={"gurukul": "0.0.0"})
    play.run(6)
    assert {each.device for each in play.fleet.sent} == {"d0"}
    assert len([event for event in play.events if event.device == "d1" and "gets no work" in event.message]) == 1


def test_a_run_waits_for_a_device_of_its_folder_and_says_so(play: Play) -> None:
    """A fleet of another data folder gets nothing; the run's reason names both folders and the command, then goes."""
    worker = play.fleet.add("d0")
    worker.folders = Folders(data_dir="/elsewhere")
    reasons: list[str] = []
    play.fleet.watch = lambda: reasons.append(play.ledger.get("waiting") or "")

    def restart() -> None:
        worker.folders = Folders(data_dir=DATA_DIR)

    play.fleet.at(9, restart)
    play.run(3)
    assert "not d0: it works under /elsewhere, this run under /played" in reasons[6]
    assert "`workers start --data-dir /played`" in reasons[6]
    assert {end.status for end in play.ends} == {Status.SUCCESS} and not play.ledger.get("waiting")


def test_an_outcome_of_another_device_than_the_one_it_was_sent_to_is_set_aside(play: Play) -> None:
    """Even if that device has claimed the attempt; the device that it was sent to then loses it, which is a strike."""
    play.fleet.add("d0", habit=in_turn((keeps, 4), (loses_running, 1), (works, 1)))
    play.fleet.at(3, lambda: play.fleet.report(play.fleet.sent[0], "d9", metrics={"forged": 1}))
    play.run(1)
    (end,) = play.ends
    assert (end.device, end.metrics, len(play.fleet.dead_letters)) == ("d0", {}, 1)
    assert "was sent to d0, not d9" in play.fleet.dead_letters[0]


def test_an_artifact_that_is_not_the_runs_own_is_made_again(play: Play) -> None:
    """A success that does not stand for the run's own artifact counts as a failure that may pass: three attempts."""
    play.fleet.add("d0")
    play.foreign = lambda outcome: "planted" if outcome.attempt == 1 else ""
    play.run(2)
    assert [(end.status, end.attempt) for end in play.ends] == [(Status.SUCCESS, 2)] * 2
    play.foreign = lambda outcome: "planted"
    play.run(1, "B")
    assert (play.ends[-1].status, play.ends[-1].message) == (Status.FAILED, "given up after 3 times: planted")


@pytest.mark.parametrize("failure", list(FailureClass))
def test_only_what_may_pass_is_tried_again(play: Play, failure: FailureClass) -> None:
    """Data, bug and timeout end at the first attempt; transient, oom and lost at the third, which the message names."""
    attempts = MAX_STRIKES if failure in {FailureClass.TRANSIENT, FailureClass.OOM, FailureClass.LOST} else 1
    play.fleet.add("d0", habit=fails(failure))
    play.run(1)
    (end,) = play.ends
    assert (end.status, end.failure, end.attempt) == (Status.FAILED, failure, attempts)
    assert ("given up after 3 times" in end.message) == (attempts == MAX_STRIKES)
    assert [each.attempt for each in play.fleet.sent] == list(range(1, attempts + 1))


def test_a_failure_that_passes_is_forgiven(play: Play) -> None:
    """A piece that fails twice with a retryable class, then succeeds, has succeeded."""
    worker = play.fleet.add("d0", habit=fails(FailureClass.TRANSIENT))

    def watch() -> None:
        if len(play.fleet.sent) == MAX_STRIKES:
            worker.habit = works

    play.fleet.watch = watch
    play.run(1)
    assert [(end.status, end.attempt) for end in play.ends] == [(Status.SUCCESS, 3)]
    assert play.ledger.counts(Role.TEACHER) == {"success": 1}


def test_a_second_attempt_goes_elsewhere(play: Play) -> None:
    """Work that failed on a device goes to another one if there is one, even if the first is idle, too."""
    play.fleet.add("d0", habit=fails(FailureClass.TRANSIENT))
    play.fleet.at(2, lambda: play.fleet.add("d1"))
    (name,) = play.run(1)
    assert play.devices_of(name) == ["d0", "d1"]


def test_oom_is_tried_again_alone(play: Play) -> None:
    """Work that ran out of memory gets a reserved device alone, and the reservation ends with it."""
    worker = play.fleet.add("d0", slots=2, habit=fails(FailureClass.OOM))
    seen: set[tuple[int, str | None]] = set()

    def watch() -> None:
        there = [*worker.running, *worker.held, *play.fleet.queues["d0"]]
        again = any(sent.attempt > 1 for sent in there)
        if again:
            seen.add((len(there), play.fleet.reserved.get("d0")))
        worker.habit = works if again else fails(FailureClass.OOM)

    play.fleet.watch = watch
    play.run(5)
    assert [(end.status, end.attempt) for end in play.ends] == [(Status.SUCCESS, 2)] * 5
    assert seen == {(1, RUN)}
    assert play.fleet.reserved == {}


def test_a_device_that_another_run_has_reserved_gets_nothing(play: Play) -> None:
    """While another run needs a device for itself it gets no work; afterwards it does."""
    play.fleet.add("d0")
    play.fleet.reserved["d0"] = "another"
    play.fleet.at(20, lambda: play.fleet.release("d0"))
    play.run(1)
    assert play.fleet.looks > 20


def test_an_attempt_lost_before_it_began_is_sent_again_without_a_strike(play: Play) -> None:
    """An attempt that is lost before it began, however often, is sent again with a higher number, and succeeds."""
    worker = play.fleet.add("d0", habit=loses_held)

    def watch() -> None:
        if len(play.fleet.sent) > 2 * MAX_STRIKES:
            worker.habit = works

    play.fleet.watch = watch
    play.run(1)
    (end,) = play.ends
    assert end.status is Status.SUCCESS and end.attempt > 2 * MAX_STRIKES
    assert [each.attempt for each in play.fleet.sent] == list(range(1, end.attempt + 1))


def test_work_that_no_worker_can_begin_has_failed_in_the_end(play: Play) -> None:
    """Each attempt is taken and disappears, as if no worker could read `run.json`: the run ends, and names the log."""
    play.fleet.add("d0", habit=loses_held)
    play.fleet.add("d1", habit=loses_held)
    play.run(1)
    (end,) = play.ends
    assert (end.status, end.failure, end.attempt) == (Status.FAILED, FailureClass.LOST, MOST_UNBEGUN + MAX_STRIKES)
    assert "it was not begun; the worker's log says why" in end.message


def test_work_that_begins_and_is_lost_three_times_has_failed(play: Play) -> None:
    """A piece that is lost three times after it began has failed as lost."""
    play.fleet.add("d0", habit=loses_running)
    play.run(1)
    (end,) = play.ends
    assert (end.status, end.failure, end.attempt) == (Status.FAILED, FailureClass.LOST, MAX_STRIKES)
    assert "given up after 3 times" in end.message


@pytest.mark.parametrize("habit", [idles, holds, keeps])
def test_a_silent_devices_work_goes_to_another(play: Play, habit: Habit[PlayedWorker]) -> None:
    """Queued, held and running attempts of a device that falls silent move to another device, and end there once."""
    play.fleet.add("d0", habit=in_turn((habit, 4), (is_silent, 1)))
    play.fleet.at(4, lambda: play.fleet.add("d1"))
    names = play.run(4)
    assert sorted(end.name for end in play.ends) == sorted(names)
    assert {end.device for end in play.ends} == {"d1"}
    assert not play.fleet.queues["d0"]
    assert play.fleet.looks < 12 + GONE_LOOKS + 2 * len(names)


def test_the_only_device_may_leave_while_work_waits_and_come_back(play: Play) -> None:
    """While no device is online nothing is sent; all of it is done afterwards."""
    play.fleet.add("d0", habit=in_turn((works, 3), (is_silent, 3 * GONE_LOOKS), (works, 1)))
    assert sorted(play.run(30)) == sorted(end.name for end in play.ends)


def test_what_was_begun_since_the_last_heartbeat_is_not_missed_while_the_link_is_cut(play: Play) -> None:
    """A heartbeat that is older than an attempt proves nothing about it, for however many looks it is the last one."""
    worker = play.fleet.add("d0", habit=in_turn((idles, 1), (keeps, 1), (cut_off, 15), (reconnects, 1), (works, 1)))
    play.fleet.at(2, lambda: cut_off(worker))
    assert play.run(1) == [end.name for end in play.ends]
    assert [(end.attempt, end.status, end.device) for end in play.ends] == [(1, Status.SUCCESS, "d0")]
    assert [sent.attempt for sent in play.fleet.sent] == [1]


def test_a_short_silence_costs_nothing(play: Play) -> None:
    """A device that is missed for less than GONE_S keeps its work: nothing is sent a second time."""
    play.fleet.add("d0", slots=2, habit=in_turn((keeps, 3), (is_silent, GONE_LOOKS - 2), (works, 1)))
    play.run(3)
    assert [end.attempt for end in play.ends] == [1, 1, 1]


def test_an_outcome_that_is_in_saves_its_attempt(play: Play) -> None:
    """Two attempts whose device is gone in one look, while both outcomes wait to be read: both count."""
    worker = play.fleet.add("d0", slots=2, habit=in_turn((keeps, 3), (is_silent, 1)))
    play.fleet.at(3 + GONE_LOOKS, worker.end)
    play.run(2)
    assert [(end.status, end.attempt) for end in play.ends] == [(Status.SUCCESS, 1)] * 2
    assert len(play.fleet.sent) == 2


@pytest.mark.parametrize("failure", [None, FailureClass.BUG, FailureClass.LOST])
def test_a_late_twin_changes_nothing(play: Play, failure: FailureClass | None) -> None:
    """An outcome that arrives after the work was sent elsewhere is ignored, whatever it is."""
    first = play.fleet.add("d0", habit=in_turn((keeps, 3), (is_silent, 1)))
    play.fleet.add("d1", habit=in_turn((keeps, 30), (works, 1)))
    status = Status.SUCCESS if failure is None else Status.FAILED
    play.fleet.at(25, lambda: first.end(status=status, failure=failure, message="late"))
    play.run(1)
    assert [(end.attempt, end.device, end.message) for end in play.ends] == [(2, "d1", "")]
    assert next(play.ledger.records(Role.TEACHER)).device == "d1"


def test_a_broker_that_forgot_everything_costs_no_strike(play: Play) -> None:
    """After the broker lost its data, running attempts may end, waiting ones are sent again: every piece ends once."""
    play.fleet.add("d0", slots=2, habit=in_turn((keeps, 6), (works, 1)))
    play.fleet.at(4, play.fleet.forget)
    names = play.run(6)
    assert sorted(end.name for end in play.ends) == sorted(names)
    assert {end.status for end in play.ends} == {Status.SUCCESS}
    assert all(end.attempt == 1 for end in play.ends[:2])


def test_a_lost_devices_symbols_are_free(play: Play) -> None:
    """Symbols that a lost device held are free: other devices get them as a reserve, too."""
    play.fleet.add("d0", habit=in_turn((keeps, 3), (is_silent, 1)))
    play.fleet.at(15, lambda: play.fleet.add("d1", slots=3, habit=in_turn((keeps, 30), (works, 1))))
    counts: list[int] = []
    play.fleet.watch = lambda: counts.append(len([each for each in play.fleet.sent if each.device == "d1"]))
    play.run(6)
    assert 4 in counts


@pytest.mark.parametrize("outdated", [True, False])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_draining_device_keeps_only_what_it_runs(play: Play, ahead: int, outdated: bool) -> None:
    """Queued and held attempts go elsewhere; running ones, whether or not its heartbeat names them, end there."""
    worker = play.fleet.add("d0", slots=2, habit=in_turn((keeps, 3), (idles, 30), (drains, 1)))
    worker.ahead = ahead

    def watch() -> None:
        if play.fleet.looks == 4:
            worker.draining, worker.outdated = True, outdated
        if play.fleet.looks == 10:
            assert not play.fleet.queues["d0"]
            assert len(worker.held) == ahead
            assert not any(play.fleet.claim(each, "d0") for each in worker.held)
            play.fleet.add("d1")

    play.fleet.watch = watch
    names = play.run(8)
    assert sorted(end.name for end in play.ends) == sorted(names)
    assert [each.device for each in play.fleet.sent].count("d0") == 3
    assert [(end.name, end.attempt) for end in play.ends if end.device == "d0"] == [(name, 1) for name in names[:2]]


@pytest.mark.parametrize("ahead", [0, 1])
def test_an_idle_device_gets_what_waits_behind_running_work(play: Play, ahead: int) -> None:
    """With nothing left to send, a reserve goes to another device's free slot, and ends before what it waited for."""
    play.fleet.add("d0", habit=in_turn((keeps, 30), (works, 1))).ahead = ahead
    play.fleet.at(10, lambda: play.fleet.add("d1"))
    first, second = play.run(2)
    assert (play.devices_of(first), play.devices_of(second)) == (["d0"], ["d0", "d1"])
    assert [end.name for end in play.ends] == [second, first]


def test_a_reserve_does_not_move_back_and_forth(play: Play) -> None:
    """A reserve that the idle device must not get stays on its device, however long it waits."""
    play.fleet.add("d0", habit=in_turn((keeps, 40), (works, 1)))
    play.fleet.add("d1", habit=fails(FailureClass.TRANSIENT))
    running, spoiled = play.run(2)
    assert (play.devices_of(running), play.devices_of(spoiled)) == (["d0"], ["d1", "d0"])


def test_what_waits_to_run_alone_waits_in_one_place(play: Play) -> None:
    """An attempt that must be alone and is slow to begin is not sent to the same device again and again."""
    failing = fails(FailureClass.OOM)
    play.fleet.add("d0", habit=failing)
    play.fleet.add("d1", habit=in_turn((failing, 2), (idles, 40), (works, 1)))
    play.run(1)
    assert [end.status for end in play.ends] == [Status.SUCCESS]
    assert len(play.fleet.sent) <= MAX_STRIKES


def test_the_double_claims_like_the_broker() -> None:
    """In the played fleet an attempt begins once, only while it is the newest, and not after it was recalled."""
    fleet = PlayedFleet()
    fleet.add("d0")
    first, second = sent(piece(), "d0", 1), sent(piece(), "d0", 2)
    assert not fleet.claim(first, "d0")
    fleet.send([first])
    assert [fleet.claim(first, "d0"), fleet.claim(first, "d0"), fleet.recall(first)] == [True, False, False]
    fleet.send([second])
    assert [fleet.claim(first, "d0"), fleet.recall(second), fleet.claim(second, "d0")] == [False, True, False]
    assert fleet.queued(["d0"])["d0"] == set()


def test_work_that_runs_too_long_ends_as_timeout(play: Play) -> None:
    """Past its limit it has failed for good, its process is killed, and the next piece gets the slot."""
    play.limit_s = 5.0
    play.fleet.add("d0", habit=keeps)
    names = play.run(2)
    assert [(end.name, end.failure) for end in play.ends] == [(name, FailureClass.TIMEOUT) for name in names]
    assert all("longer than 5 s" in end.message for end in play.ends)
    assert play.fleet.killed == [(str(AttemptId(RUN, Role.TEACHER, name, 1)), "d0") for name in names]


def test_waiting_does_not_count_against_the_limit(play: Play) -> None:
    """A piece that a worker holds for longer than the limit before it begins is no timeout."""
    play.limit_s = 5.0
    play.fleet.add("d0", habit=in_turn((holds, 30), (works, 1)))
    play.run(2)
    assert [end.status for end in play.ends] == [Status.SUCCESS] * 2


def test_a_stray_attempt_is_killed(play: Play) -> None:
    """A device that comes back with an attempt that was sent elsewhere since must end it after STRAY_S."""
    first = play.fleet.add("d0", habit=in_turn((keeps, 3), (is_silent, 12), (idles, 1)))
    second = play.fleet.add("d1", habit=keeps)
    back: list[int] = []

    def watch() -> None:
        if second.running and first.running and not first.silent:
            back.append(play.fleet.looks)
        if back and not first.running:
            second.habit = works

    play.fleet.watch = watch
    (name,) = play.run(1)
    assert set(play.fleet.killed) == {(str(AttemptId(RUN, Role.TEACHER, name, 1)), "d0")}
    assert len(back) > STRAY_S / REFRESH_S
    assert [end.attempt for end in play.ends] == [2]


HABITS: dict[str, Habit[PlayedWorker]] = {
    "works": works,
    "keeps": keeps,
    "holds": holds,
    "idles": idles,
    "loses_held": loses_held,
    "loses_running": loses_running,
    "is_silent": is_silent,
    "transient": fails(FailureClass.TRANSIENT),
    "oom": fails(FailureClass.OOM),
    "bug": fails(FailureClass.BUG),
}
lives = st.tuples(
    st.integers(1, 3), st.lists(st.tuples(st.sampled_from(sorted(HABITS)), st.integers(1, 12)), max_size=5)
)


def check_promises(play: Play) -> Callable[[], None]:
    """Asserts in each look that no device has too much and no piece of work can run twice."""

    def check() -> None:
        for name, worker in play.fleet.workers.items():
            out = [sent for sent in play.fleet.queues[name] if sent.item.key not in ended()]
            assert len(out) + len(worker.running) <= 2 * (worker.slots + 1)
            assert len(worker.running) <= worker.slots
        newest: dict[tuple[Role, str], int] = {}
        for each in play.fleet.sent:
            assert each.attempt == newest.get(each.item.key, 0) + 1
            newest[each.item.key] = each.attempt

    def ended() -> set[tuple[Role, str]]:
        return {(end.role, end.name) for end in play.ends}

    return check


@examples(120)
@given(devices=st.lists(lives, min_size=1, max_size=3), pieces=st.integers(1, 8), forgets=st.integers(0, 40))
def test_every_piece_ends_once_whatever_devices_do(
    devices: list[tuple[int, list[tuple[str, int]]]], pieces: int, forgets: int
) -> None:
    """Each piece ends, however devices lose, hold or fail attempts or fall silent, and the broker loses its data.

    Numbers of attempts grow by one. Only work that began and failed three times has failed; nothing is left over.
    """
    with closing(Ledger.in_memory()) as ledger:
        play = Play(ledger)
        for number, (slots, life) in enumerate(devices):
            habit = in_turn(*((HABITS[name], looks) for name, looks in life), (works, 1))
            play.fleet.add(f"d{number}", slots, habit)
        if forgets:
            play.fleet.at(forgets, play.fleet.forget)
        play.fleet.watch = check_promises(play)
        names = play.run(pieces)
        assert sorted(end.name for end in play.ends) == sorted(names)
        recorded = {record.name: (record.status, record.attempt) for record in ledger.records(Role.TEACHER)}
        assert recorded == {end.name: (end.status, end.attempt) for end in play.ends}
        failed = [end for end in play.ends if end.status is Status.FAILED]
        assert all(end.failure is FailureClass.BUG or end.attempt >= MAX_STRIKES for end in failed)
        play.dispatcher.clear_broker()
        assert not any(play.fleet.queues.values())


@examples(40)
@given(ghosts=st.lists(st.integers(1, 200), max_size=30), real=st.integers(1, 3), count=st.integers(1, 40))
def test_heartbeats_without_a_worker_cost_a_bounded_time(ghosts: list[int], real: int, count: int) -> None:
    """Devices that begin nothing get less, then nothing: the others end all work, a LEFT_S per ghost later at most."""
    with closing(Ledger.in_memory()) as ledger:
        play = Play(ledger)
        for number, slots in enumerate(ghosts):
            play.fleet.add(f"a{number:02}", slots, habit=idles)
        names = {f"d{number}" for number in range(real)}
        for name in names:
            play.fleet.add(name)
        play.run(count)
        assert Counter(end.status for end in play.ends) == {Status.SUCCESS: count}
        assert {end.device for end in play.ends} <= names
        tours = len(ghosts) / count + 3
        assert play.fleet.looks <= 2 * count / real + (tours * LEFT_S + UNTAKEN_S) / REFRESH_S + 10


@pytest.mark.parametrize("slots", [1, 3, 40])
@pytest.mark.parametrize("named", ["its own", "another run's", "of the others", "nothing"])
def test_heartbeats_that_lie_about_what_runs_fail_no_window(ledger: Ledger, named: str, slots: int) -> None:
    """A ghost that names what it has not claimed reaches no time limit, keeps no work, and ends no other's attempt."""
    play = Play(ledger, window_limit_s=3.0)

    def lie(presence: Presence) -> Presence:
        own = tuple(sent.id for sent in play.fleet.sent if sent.device == "a0")
        others = tuple(sent.id for sent in play.fleet.sent if sent.device != "a0")
        lies = {"its own": own, "another run's": ("another/teacher/x/1", "junk"), "of the others": others}
        return presence.model_copy(update={"running": lies.get(named, ())})

    play.fleet.add("a0", slots, habit=idles).forge = lie
    play.fleet.add("d0", habit=in_turn((keeps, 4), (works, 1)))
    play.run(50)
    assert Counter((end.status, end.device) for end in play.ends) == {(Status.SUCCESS, "d0"): 50}
    assert not [device for _, device in play.fleet.killed if device != "a0"]
    assert play.fleet.looks < 50 + 4 * UNTAKEN_S / REFRESH_S


@pytest.mark.parametrize("omitted", [("running",), ("held",), ("held", "running")])
def test_a_heartbeat_that_omits_what_runs_costs_that_device_alone(play: Play, omitted: tuple[str, ...]) -> None:
    """What it names nowhere is lost there and ends elsewhere; no attempt of another device is tried again."""
    worker = play.fleet.add("d0", habit=in_turn((keeps, 9), (works, 1)))
    worker.forge = lambda presence: presence.model_copy(update=dict.fromkeys(omitted, ()))
    play.fleet.add("d1")
    play.run(60)
    assert Counter(end.status for end in play.ends) == {Status.SUCCESS: 60}
    there = {sent.item.key[1] for sent in play.fleet.sent if sent.device == "d0"}
    assert {end.attempt for end in play.ends if end.name not in there} == {1}
    assert {end.attempt for end in play.ends} == ({1} if omitted == ("running",) else {1, 2})


def test_a_device_that_begins_nothing_gets_one_attempt_then_none_for_a_while(play: Play) -> None:
    """A ghost of ten slots receives its share once, then one attempt, then one per pause that doubles."""
    play.fleet.add("a0", slots=10, habit=idles)
    play.fleet.add("d0")
    play.run(400)
    assert Counter(end.status for end in play.ends) == {Status.SUCCESS: 400}
    assert play.fleet.looks > 5 * UNTAKEN_S / REFRESH_S
    assert 11 < Counter(sent.device for sent in play.fleet.sent)["a0"] <= 11 + 4


def test_a_device_that_begins_work_again_earns_its_share_back(play: Play) -> None:
    """After its pool has started, a device that had lost its work works like any other."""
    late = int(2 * UNTAKEN_S / REFRESH_S)
    play.fleet.add("d0", slots=2, habit=in_turn((holds, late), (works, 1)))
    play.fleet.add("d1", habit=in_turn((keeps, late // 2), (works, 1)))
    play.run(120)
    assert Counter(end.status for end in play.ends) == {Status.SUCCESS: 120}
    assert Counter(end.device for end in play.ends)["d0"] >= 30


def test_without_another_device_one_that_began_nothing_is_waited_for(play: Play) -> None:
    """The only device of a run gets its work again, however late it begins."""
    play.fleet.add("d0", habit=in_turn((holds, int(5 * UNTAKEN_S / REFRESH_S)), (works, 1)))
    play.run(3)
    assert Counter(end.status for end in play.ends) == {Status.SUCCESS: 3}
