"""The dispatcher on a real server and ledger; the test plays the devices: beats for them, appends their outcomes."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from redis import Redis
from rich.console import Console

from orchestrator import dispatch
from orchestrator.dispatch import MAX_ATTEMPTS, Dispatcher
from orchestrator.ledger import Ledger
from orchestrator.progress import Progress
from orchestrator.telemetry import Telemetry
from schemas.config import TrainingSettings
from schemas.device import Device, DeviceKind
from schemas.messages import FailureClass, Outcome, Role, Status, WindowTask, work_name
from schemas.window import Window
from schemas.wire import Presence, outcomes_stream, presence_key

RUN = "r"
SETTINGS = TrainingSettings(
    interval="1day",
    horizon_bars=5,
    threshold=0.02,
    min_rows=40,
    distill_weight=0.5,
    cost_bps=24,
    slippage_bps=5,
    seed=1,
)


class Fleet:
    """Stands where the queue is: takes what is sent, and answers as devices would."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.sent: list[tuple[str, str, int]] = []
        self.answers = True

    def beat(self, *names: str, slots: int = 1) -> None:
        """These devices are there, hold nothing, and stay for a minute."""
        for name in names:
            presence = Presence(device=Device(name=name, kind=DeviceKind.CPU, slots=slots), host="h", pid=1)
            self.redis.set(presence_key(name), presence.model_dump_json(), ex=60)

    def send(self, task: WindowTask, device: str) -> None:
        self.sent.append((work_name(task), device, task.attempt))
        if self.answers:
            self.answer(task, device)

    def answer(self, task: WindowTask, device: str, **details: object) -> None:
        outcome = Outcome(
            run_id=RUN, role=task.role, name=work_name(task), attempt=task.attempt, device=device,
            **({"status": Status.SUCCESS} | details),  # type: ignore[arg-type]
        )  # fmt: skip
        self.redis.xadd(outcomes_stream(RUN), {"outcome": outcome.model_dump_json()})

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.create(tmp_path / "ledger.db")) as opened:
        yield opened


@pytest.fixture
def fleet(redis: Redis) -> Fleet:
    return Fleet(redis)


def teachers(ledger: Ledger, count: int, symbol: str = "A") -> list[WindowTask]:
    """Teachers of one symbol's first windows, entered in the ledger."""
    tasks = [
        WindowTask(
            run_id=RUN, data_dir="/nowhere", role=Role.TEACHER, settings=SETTINGS, bars_sha256="0",
            window=Window(symbol=symbol, start=date(2000 + i, 1, 1), end=date(2001 + i, 1, 1),
                          score_end=date(2002 + i, 1, 1)),
        )
        for i in range(count)
    ]  # fmt: skip
    ledger.add(Role.TEACHER, [work_name(task) for task in tasks])
    return tasks


def dispatcher(redis: Redis, ledger: Ledger, fleet: Fleet) -> Dispatcher:
    progress = Progress(Console(file=io.StringIO()), RUN)
    return Dispatcher(RUN, redis, ledger, fleet, Telemetry(redis, RUN, None), progress, lambda: None)  # type: ignore[arg-type]


def test_every_piece_ends_once_on_the_devices_that_are_there(redis: Redis, ledger: Ledger, fleet: Fleet) -> None:
    """Work of two symbols goes to two devices; each piece is sent once and its end heard once."""
    fleet.beat("d0", "d1")
    work = teachers(ledger, 5, "A") + teachers(ledger, 5, "B")
    ends: list[str] = []
    dispatcher(redis, ledger, fleet).run(work, lambda outcome: ends.append(outcome.name) or ())
    assert sorted(ends) == sorted(work_name(task) for task in work)
    assert len(fleet.sent) == 10
    assert {device for _, device, _ in fleet.sent} == {"d0", "d1"}


def test_no_device_has_more_than_slots_and_one(redis: Redis, ledger: Ledger, fleet: Fleet) -> None:
    """While nothing comes back, a device of two slots is sent three pieces and no more."""
    fleet.beat("d0", slots=2)
    fleet.answers = False
    hand = dispatcher(redis, ledger, fleet)
    for task in teachers(ledger, 8):
        hand._backlog.add(task)
    hand._fleet.refresh()
    hand._fill()
    hand._fill()
    assert len(fleet.sent) == 3


def test_what_nobody_holds_is_sent_again_and_at_last_fails(
    redis: Redis, ledger: Ledger, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that swallows an attempt gets it anew, three times; then the piece has failed as lost."""
    monkeypatch.setattr(dispatch, "UNHELD_S", 0.0)
    monkeypatch.setattr(dispatch, "RETRY_BACKOFF_S", 0.01)
    fleet.beat("d0")
    fleet.answers = False
    ends: list[Outcome] = []
    dispatcher(redis, ledger, fleet).run(teachers(ledger, 1), lambda outcome: ends.append(outcome) or ())
    assert [attempt for _, _, attempt in fleet.sent] == list(range(1, MAX_ATTEMPTS + 1))
    (end,) = ends
    assert (end.status, end.failure) == (Status.FAILED, FailureClass.LOST)


def test_an_outcome_that_is_in_saves_its_attempt(
    redis: Redis, ledger: Ledger, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two attempts seem lost at once while both outcomes wait in the stream: both count, neither is sent again."""
    monkeypatch.setattr(dispatch, "UNHELD_S", -1.0)
    fleet.beat("d0", slots=2)
    fleet.answers = False
    hand = dispatcher(redis, ledger, fleet)
    tasks = teachers(ledger, 2)
    for task in tasks:
        hand._backlog.add(task)
    hand._fleet.refresh()
    hand._fill()
    hand._look_after(lambda outcome: ())
    for task in tasks:
        fleet.answer(task.model_copy(update={"attempt": 1}), "d0")
    hand._look_after(lambda outcome: ())
    assert ledger.counts(Role.TEACHER) == {"success": 2}
    assert len(fleet.sent) == 2


def test_a_transient_failure_is_tried_again_and_a_bug_is_not(
    redis: Redis, ledger: Ledger, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only transient, oom and lost are retried; data and bug end the piece at its first attempt."""
    monkeypatch.setattr(dispatch, "RETRY_BACKOFF_S", 0.01)
    fleet.beat("d0")
    failures = {FailureClass.TRANSIENT: 2, FailureClass.OOM: 2, FailureClass.BUG: 1, FailureClass.DATA: 1}
    for symbol, (failure, attempts) in zip("ABCD", failures.items(), strict=True):
        fleet.sent.clear()

        def fail_once(task: WindowTask, device: str, failure: FailureClass = failure) -> None:
            fleet.sent.append((work_name(task), device, task.attempt))
            first = task.attempt == 1
            fleet.answer(task, device, **({"status": Status.FAILED, "failure": failure} if first else {}))

        monkeypatch.setattr(fleet, "send", fail_once)
        dispatcher(redis, ledger, fleet).run(teachers(ledger, 1, symbol), lambda outcome: ())
        assert len(fleet.sent) == attempts, failure


def test_a_late_twin_is_not_heard(redis: Redis, ledger: Ledger, fleet: Fleet) -> None:
    """An outcome of an earlier attempt, however it ended, changes nothing; the newest one's is heard once."""
    fleet.beat("d0")
    (task,) = teachers(ledger, 1)
    name = work_name(task)
    assert ledger.send(Role.TEACHER, name, "d9") == 1
    assert ledger.retry(Role.TEACHER, name, 1, FailureClass.LOST, "silent")
    fleet.answer(task.model_copy(update={"attempt": 1}), "d9", message="late")
    ends: list[Outcome] = []
    dispatcher(redis, ledger, fleet).run([task], lambda outcome: ends.append(outcome) or ())
    assert [(end.attempt, end.message) for end in ends] == [(2, "")]
