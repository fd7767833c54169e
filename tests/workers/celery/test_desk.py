"""A worker's desk claims, begins and reports attempts; the courier here is a double that keeps what it is to send."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import RLock
from typing import Any

import pytest
from celery.worker import state

from schemas.contract.task import Outcome, Role, Status, WindowTask, work_name
from schemas.redis.script import CLAIM, GIVE_BACK, REPORT, Command
from tests.orchestrator.dispatch.views import window_task
from workers.celery.desk import Desk

NAMES = {script.source: script.name for script in (CLAIM, GIVE_BACK, REPORT)}


class Post:
    """A courier without a server: `answer` gives the first command without a reply one."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.lock = RLock()
        self.interrupt: Callable[[], None] = lambda: None
        self._then: deque[Callable[[Any], None]] = deque()

    def send(self, command: Command, then: Callable[[Any], None] = lambda reply: None) -> None:
        assert self.lock._is_owned(), "a thread of timers could come between"  # type: ignore[attr-defined]
        self.interrupt()
        self.sent.append(command)
        self._then.append(then)

    def answer(self, *replies: Any) -> None:
        for reply in replies:
            with self.lock:
                self._then.popleft()(reply)

    def names(self) -> list[str]:
        return [NAMES[str(command[1])] for command in self.sent]

    def claimants(self, name: str) -> list[str]:
        """Who claims, or gives back."""
        place = {CLAIM.name: -5, GIVE_BACK.name: -1}[name]
        return [str(command[place]) for command in self.sent if NAMES[str(command[1])] == name]


class Request:
    """A Celery request, as far as the desk uses it."""

    def __init__(self, number: int) -> None:
        task: WindowTask = window_task("A", number, Role.TEACHER)
        self.id, self.kwargs = f"run/{number}", {"message": task.model_copy(update={"attempt": 1}).model_dump()}
        self.acknowledged = self.is_revoked = False
        self.worker_pid = number

    def acknowledge(self) -> None:
        self.acknowledged = True

    def revoked(self) -> bool:
        return self.is_revoked


class Moves:
    """Transfers that end when the test ends them: one future for each attempt's inputs, and each artifact."""

    usual_s = 0.6

    def __init__(self) -> None:
        self.fetches: list[Future[None]] = []
        self.publications: dict[str, Future[Outcome]] = {}

    def fetch(self, task: WindowTask) -> "Future[None]":
        self.fetches.append(Future())
        return self.fetches[-1]

    def publish(self, task: WindowTask, outcome: Outcome) -> "Future[Outcome]":
        return self.publications.setdefault(outcome.name, Future())


def outcome(number: int, status: Status = Status.SUCCESS, **details: Any) -> Outcome:
    """The outcome of an attempt."""
    task = window_task("A", number, Role.TEACHER)
    return Outcome(
        run_id=task.run_id, role=task.role, name=work_name(task), attempt=1, device="d0", status=status, **details
    )  # fmt: skip


class Worker:
    """A desk of two slots with what it has begun."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, round_trip_s: float | None = None, transfers: Any = None
    ) -> None:
        self.post, self.begun, self.now = Post(), list[str](), 100.0
        monkeypatch.setattr("workers.celery.desk.time.monotonic", lambda: self.now)
        monkeypatch.setattr(state, "task_ready", lambda request: None)
        courier: Any = self.post
        self.desk = Desk(courier, "d0", 2, begin=lambda request: self.begun.append(request.id), transfers=transfers)
        self.desk.round_trip_s = round_trip_s

    def take(self, *numbers: int) -> list[Request]:
        requests = [Request(number) for number in numbers]
        for request in requests:
            self.desk.take(request)
        return requests

    def take_and_claim_ahead(self, taken: int, accepted: int) -> list[str]:
        """Take attempts and end the first; returns claimants beyond the slots, of which so many claims are accepted."""
        self.take(*range(taken))
        self.post.answer(1, 1)
        self.end(0)
        self.post.answer(None, *[1] * accepted)
        claimants = self.post.claimants(CLAIM.name)[3:]
        self.post.sent.clear()
        return claimants

    def end(self, number: int, outcome: str | None = "{}", after_s: float = 0.1) -> None:
        self.now += after_s
        self.desk.ended(f"run/{number}", outcome)


def test_near_a_broker_an_attempt_is_claimed_when_a_slot_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two slots claim two of four; the third is claimed when one has ended, so that until then it can go elsewhere."""
    worker = Worker(monkeypatch, round_trip_s=0.0003)
    worker.take(0, 1, 2, 3)
    assert worker.post.names() == ["claim", "claim"] and worker.begun == []
    worker.post.answer(1, 1)
    assert worker.begun == ["run/0", "run/1"]
    worker.end(0)
    assert worker.post.names()[2:] == ["report", "claim"]
    assert worker.desk.held == {"run/0", "run/1"}
    worker.post.answer(None, 1)
    assert worker.begun[2:] == ["run/2"] and worker.desk.held == {"run/1", "run/2"}


def test_far_from_a_broker_attempts_are_claimed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim takes as long as two windows: the slots begin the next ones at once."""
    worker = Worker(monkeypatch, round_trip_s=0.2)
    worker.take(*range(12))
    worker.post.answer(1, 1)
    worker.end(0)
    assert worker.post.names()[2:] == ["report", *["claim"] * 7]  # one free slot, and 2 x 1.5 x 0.2 s / 0.1 s ahead
    worker.post.answer(None, *[1] * 7)
    worker.end(1, after_s=0.0)
    worker.end(2)
    assert worker.begun == ["run/0", "run/1", "run/2", "run/3", "run/4"]


def test_what_was_claimed_too_early_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """If what runs takes longer than before, no attempt waits behind it where no other device could take it."""
    worker = Worker(monkeypatch, round_trip_s=0.2)
    claimants = worker.take_and_claim_ahead(6, accepted=4)
    worker.now += 1.0
    worker.desk.advance()
    assert worker.post.names() == []
    worker.now += 1.0
    worker.desk.advance()
    worker.desk.advance()
    assert worker.post.names() == ["give_back"] * 3
    assert sorted(worker.post.claimants(GIVE_BACK.name)) == sorted(claimants)
    worker.post.answer(*[None] * 3)
    worker.post.sent.clear()
    for number in (1, 2):
        worker.end(number, after_s=9.0)
    worker.post.answer(None, 1)
    assert worker.begun[3:] == ["run/3"], "what was claimed first begins first"


def test_an_attempt_that_was_revoked_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused claim begins nothing, and the next message has its turn."""
    worker = Worker(monkeypatch)
    requests = worker.take(0, 1, 2)
    worker.post.answer(0)
    assert requests[0].acknowledged and worker.post.names() == ["claim"] * 3
    worker.post.answer(1, 1)
    assert worker.begun == ["run/1", "run/2"]


def test_two_messages_of_one_attempt_are_two_claimants(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gives the attempt to one of them."""
    worker = Worker(monkeypatch)
    worker.take(0)
    worker.post.answer(1)
    worker.take(0)
    first, second = worker.post.claimants(CLAIM.name)
    assert first != second and all(each.startswith("d0 ") for each in (first, second))


def test_a_message_that_is_not_its_run_s_gives_its_claim_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own message of that attempt may still come; the empty outcome of the other is not reported."""
    worker = Worker(monkeypatch)
    worker.take(0)
    worker.post.answer(1)
    worker.end(0, "")
    assert worker.post.names() == ["claim", "give_back"]


def test_a_child_that_died_is_reported_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its attempt is lost, in the code of a plug-in that it ran; one that did not run here is not the worker's."""
    worker = Worker(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "call-0").write_text("ideas.py\tin feature f\n")
    worker.take(0)
    worker.post.answer(1)
    worker.desk.lost("run/0", "its process ended")
    worker.end(0, None)
    worker.desk.lost("run/0", "its process ended")
    assert worker.post.names() == ["claim", "report"]
    assert Status.FAILED in str(worker.post.sent[1]) and "process ended, in ideas.py (in feature f)" in str(
        worker.post.sent[1]
    )


def test_a_worker_that_drains_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has claimed goes back, also if the reply comes later; what runs is reported."""
    worker = Worker(monkeypatch, round_trip_s=0.2)
    claimants = worker.take_and_claim_ahead(5, accepted=2)
    worker.desk.stop()
    assert worker.post.names() == []
    worker.desk.advance()
    worker.post.answer(1)
    assert worker.post.claimants(GIVE_BACK.name) == claimants
    worker.post.sent.clear()
    worker.take(9)
    worker.end(1)
    worker.end(2)
    assert worker.post.names() == ["report", "report"]
    assert worker.begun == ["run/0", "run/1", "run/2"]


def test_a_signal_may_come_in_the_middle_of_any_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handler stops the desk while a claim is given back: each goes back once, and the rest is claimed no more."""
    worker = Worker(monkeypatch, round_trip_s=0.2)
    claimants = worker.take_and_claim_ahead(9, accepted=7)
    worker.now += 2.0
    worker.post.interrupt = worker.desk.stop
    worker.desk.advance()
    worker.desk.advance()
    assert sorted(worker.post.claimants(GIVE_BACK.name)) == sorted(claimants)
    assert len(worker.post.sent) == len(claimants)


def test_what_the_pool_has_dropped_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that closes drops what no child has accepted yet. Until its end the heartbeat names it."""
    worker = Worker(monkeypatch)
    worker.take(0, 1)
    worker.post.answer(1, 1)
    worker.desk.stop()
    assert worker.desk.held == {"run/0", "run/1"}
    worker.end(0)
    monkeypatch.setattr(state, "active_requests", set())
    worker.desk.restart()
    assert worker.post.names()[2:] == ["report", "give_back"]
    assert worker.desk.held == {"run/0"}


def test_after_a_lost_connection_what_had_not_begun_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery forgets it, too; claims go back, also those whose reply comes later, and what runs is kept."""
    worker = Worker(monkeypatch, round_trip_s=0.2)
    worker.take(0, 1)
    worker.post.answer(1)
    running = Request(0)
    monkeypatch.setattr(state, "active_requests", {running})
    worker.desk.restart()
    worker.post.answer(1)
    assert worker.post.names() == ["claim", "claim", "give_back"]
    worker.end(0)
    assert worker.post.names()[3:] == ["report"]


def test_an_attempt_is_claimed_when_its_inputs_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first whose inputs have come, in whatever order; one whose inputs are late fetches them itself."""
    worker = Worker(monkeypatch, transfers=(moves := Moves()))
    worker.take(0, 1)
    assert worker.post.names() == []
    moves.fetches[1].set_result(None)
    worker.desk.advance()
    worker.post.answer(1)
    assert worker.begun == ["run/1"]
    worker.now += 1.9
    worker.desk.advance()
    assert worker.post.names() == ["claim"]
    worker.now += 0.2
    worker.desk.advance()
    worker.post.answer(1)
    assert worker.begun == ["run/1", "run/0"]


def test_a_success_is_reported_once_its_artifact_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot goes on meanwhile, and heartbeats name the attempt; what is reported is what the store made of it."""
    worker = Worker(monkeypatch, transfers=(moves := Moves()))
    worker.take(0, 1, 2, 3)
    for each in moves.fetches:
        each.set_result(None)
    worker.desk.advance()
    worker.post.answer(1, 1)
    worker.end(0, outcome(0).model_dump_json())
    worker.post.answer(1)
    assert worker.post.names() == ["claim"] * 3 and worker.begun[2:] == ["run/2"]
    assert worker.desk.held == {"run/0", "run/1", "run/2"} and worker.desk.is_publishing(0.0)
    worker.end(1, outcome(1, Status.FAILED, message="no rows").model_dump_json())
    assert worker.post.names()[3:] == ["report", "claim"], "a failure has nothing to publish"
    moves.publications[outcome(0).name].set_result(outcome(0, Status.FAILED, message="the store is away"))
    assert not worker.desk.is_publishing(0.0)
    assert worker.post.names()[5:] == ["report"] and "the store is away" in str(worker.post.sent[-1])


def test_a_store_that_is_far_behind_stops_the_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most eight artifacts per slot wait to be stored; then a slot stays empty until one is."""
    worker = Worker(monkeypatch, transfers=(moves := Moves()))
    for number in range(17):
        worker.take(number)
        moves.fetches[-1].set_result(None)
        worker.desk.advance()
        worker.post.answer(1)
        if number < 16:
            worker.end(number, outcome(number).model_dump_json())
    assert len(worker.begun) == 16
    moves.publications[outcome(3).name].set_result(outcome(3))
    worker.desk.advance()
    assert worker.begun[16:] == ["run/16"]
