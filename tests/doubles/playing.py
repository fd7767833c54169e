"""A fleet with played workers on a real server: queues, heartbeats, claims and outcomes are real, nothing computes.

Time is counted in looks: the dispatcher looks at the fleet in every step, each look proves half a second, and
in each look every worker follows its habit once. Habits are those of `orchestrator.dispatch.played_fleet`.
"""

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import psutil
import pytest
from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console

from orchestrator.dispatch import policy
from orchestrator.dispatch.broker_fleet import BrokerFleet, task_id
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.fleet import REFRESH_S
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.played_fleet import DATA_DIR, Habit, works
from orchestrator.dispatch.presence_reader import PresenceReader
from orchestrator.dispatch.work import Item, Work
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.device import Device, DeviceKind
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence
from schemas.contract.task import Outcome, Role, Status, WindowTask, work_name
from schemas.contract.versions import artifact_versions
from schemas.contract.window import Window
from schemas.redis.attempts import claim, report
from schemas.redis.client import connect
from schemas.redis.presences import beat, sign_off
from tests.strategies import training_settings
from tests.waiting import wait_for
from workers.handlers.report import parse

RUN = "r"
SETTINGS = training_settings()
MOST_LOOKS = 600


class Steps:
    """A clock that advances by the time between two looks whenever it is read."""

    now = 0.0

    def __call__(self) -> float:
        self.now += REFRESH_S
        return self.now


class Worker:
    """A device: it takes from its queue, claims, holds, runs, reports and sends heartbeats."""

    def __init__(self, redis: Redis, name: str, slots: int, habit: "Habit[Worker]", versions: dict[str, str]) -> None:
        self.redis, self.name, self.slots, self.habit, self.versions = redis, name, slots, habit, versions
        self.held: dict[str, WindowTask] = {}
        self.running: dict[str, WindowTask] = {}
        self.draining = self.silent = False

    def live(self) -> None:
        """Follow the habit once, then send a heartbeat."""
        self.silent = False
        self.habit(self)
        self.beat()

    def beat(self) -> None:
        """Send a heartbeat with what it holds and runs; none while it is silent."""
        if self.silent:
            sign_off(self.redis, self.name)
            return
        presence = Presence(
            device=Device(name=self.name, kind=DeviceKind.CPU, slots=self.slots),
            host="h", pid=1, since=datetime.now(UTC), versions=self.versions, draining=self.draining,
            held=tuple([*self.held, *self.running]), running=tuple(self.running), folders=Folders(data_dir=DATA_DIR),
        )  # fmt: skip
        beat(self.redis, presence, expiry_s=60)

    def take(self) -> None:
        """Take messages from the queue, until it holds one more than it has slots."""
        room = self.slots + 1 - len(self.held) - len(self.running)
        bodies: Any = None if self.draining or not room else self.redis.rpop(self.name, room)
        for body in bodies or ():
            message = json.loads(base64.b64decode(json.loads(body)["body"]))[1]["message"]
            self.held[str(task_id(body))] = parse(message)  # type: ignore[assignment]

    def begin(self) -> None:
        """Claim held attempts for the free slots; an attempt that cannot be claimed is dropped."""
        for identity, task in list(self.held.items()):
            if len(self.running) == self.slots:
                return
            if claim(self.redis, task.run_id, task.role, work_name(task), task.attempt, self.name):
                self.running[identity] = task
            del self.held[identity]

    def end(self, **details: Any) -> None:
        """Report an outcome for all that runs: success, or `details`."""
        for identity, task in list(self.running.items()):
            self.answer(task, **details)
            del self.running[identity]

    def lose_held(self) -> None:
        """Forget what it took and has not begun."""
        self.held.clear()

    def lose_running(self) -> None:
        """Forget what it runs."""
        self.running.clear()

    def answer(self, task: WindowTask, **details: Any) -> None:
        """Append an outcome to the run's stream."""
        values: dict[str, Any] = {"status": Status.SUCCESS, "duration_seconds": 0.5} | details
        values |= {"run_id": task.run_id, "role": task.role, "name": work_name(task), "attempt": task.attempt}
        report(self.redis, task.run_id, Outcome(device=self.name, **values).model_dump_json())


class Played(CeleryClient):
    """The fleet, in place of the Celery client: it sends to the real queues and records the calls."""

    def __init__(self, url: str, redis: Redis) -> None:
        super().__init__(url)
        self.redis = redis
        self.workers: dict[str, Worker] = {}
        self.sent: list[tuple[str, str, int]] = []
        self.killed: list[tuple[str, str]] = []
        self.looks = 0
        self.watch: Callable[[], object] = lambda: None
        self.planned: dict[int, Callable[[], object]] = {}
        self.screen = io.StringIO()

    def add(
        self, name: str, slots: int = 1, habit: Habit[Worker] = works, versions: dict[str, str] | None = None
    ) -> Worker:
        """Add a worker; its `versions` are this code's unless they are given."""
        worker = self.workers[name] = Worker(self.redis, name, slots, habit, versions or artifact_versions())
        worker.beat()
        return worker

    def send(self, work: Sequence[tuple[Work, str]]) -> None:
        self.sent += [(work_name(task), device, task.attempt) for task, device in work]
        super().send(work)

    def kill(self, identity: str, device: str) -> None:
        """End the attempt without an outcome."""
        self.killed.append((identity, device))
        self.workers[device].running.pop(identity, None)
        self.workers[device].beat()

    def tend(self) -> None:
        """One look at the fleet: every worker follows its habit once, then the test's own actions run."""
        self.looks += 1
        assert self.looks < MOST_LOOKS, f"the run does not end; sent so far: {self.sent}"
        with suppress(RedisError):
            for worker in self.workers.values():
                worker.live()
        self.planned.get(self.looks, lambda: None)()
        self.watch()

    def at(self, look: int, action: Callable[[], object]) -> None:
        """Call an action in the look of that number."""
        self.planned[look] = action

    def dispatcher(
        self, ledger: Ledger, run_id: str = RUN, window_limit_s: float | None = None, least_devices: int = 0
    ) -> Dispatcher:
        live_view = LiveView(Console(file=self.screen, width=200), run_id)
        live_view.show()
        telemetry = Emitter(self.redis, run_id, None, live_view.take)
        fleet = BrokerFleet(
            run_id, self.redis, self, presence_reader=PresenceReader(self.redis, Steps()), block_ms=None
        )
        return Dispatcher(
            run_id, Needs.of(DATA_DIR), fleet, ledger, telemetry, live_view, self.tend, window_limit_s,
            least_devices=least_devices,
        )  # fmt: skip

    def devices_of(self, name: str) -> list[str]:
        """Devices to which a piece of work was sent, in order."""
        return [device for sent, device, _ in self.sent if sent == name]

    def queued(self, device: str) -> list[str]:
        """Ids in a device's queue, the next one first."""
        bodies: Any = self.redis.lrange(device, 0, -1)
        return [str(task_id(body)) for body in reversed(bodies)]


@contextmanager
def playing(url: str) -> Iterator[Played]:
    """An empty server and fleet. Looks follow each other without a pause, and retries are due at once."""
    with connect(url) as redis, pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy, "RETRY_BACKOFF_S", 0.0)
        redis.flushall()
        played = Played(url, redis)
        yield played
        played.close()
        redis.flushall()


def teachers(ledger: Ledger, count: int, symbol: str = "A", run_id: str = RUN) -> list[Item]:
    """Teachers of one symbol's first windows, the longest first, entered in the ledger."""
    tasks = [
        WindowTask(
            run_id=run_id, role=Role.TEACHER, settings=SETTINGS, bars={symbol: "0"},
            window=Window(symbol=symbol, start=date(2000 + i, 1, 1), end=date(2001 + i, 1, 1),
                          score_end=date(2002 + i, 1, 1)),
        )
        for i in range(count)
    ]  # fmt: skip
    ledger.add(Role.TEACHER, [work_name(task) for task in tasks])
    return [Item(task, size=count - i) for i, task in enumerate(tasks)]


class Ends:
    """Records how work ends, and the result of `note` at that moment; adds no further work."""

    def __init__(self, note: Callable[[Outcome], Any] = lambda outcome: None) -> None:
        self.received: list[Outcome] = []
        self.notes: list[Any] = []
        self._note = note

    def __call__(self, outcome: Outcome) -> tuple[()]:
        self.received.append(outcome)
        self.notes.append(self._note(outcome))
        return ()

    @property
    def names(self) -> list[str]:
        return [outcome.name for outcome in self.received]


def forget(redis: Redis) -> None:
    """Empty the server, at least a millisecond after the last write, because ids in streams are milliseconds."""

    def millisecond() -> int:
        seconds, microseconds = redis.time()
        return seconds * 1000 + microseconds // 1000

    then = millisecond()
    wait_for(lambda: millisecond() > then, "another millisecond")
    redis.flushall()


class Breakable:
    """An embedded server for one test, which can be stopped and started again."""

    def __init__(self, url: str) -> None:
        self.url = url
        with Redis.from_url(url) as redis:
            self._server = psutil.Process(redis.info("server")["process_id"])
        self._guard = self._server.parent()

    def take_away(self) -> None:
        """Kill the server and freeze its guard, which would start it again at once."""
        self._guard.suspend()
        self._server.kill()
        wait_for(lambda: self._server.status() == psutil.STATUS_ZOMBIE, "the end of the server")

    def bring_back(self) -> None:
        """Let the guard start the server again; returns when it answers."""
        self._guard.resume()
        with Redis.from_url(self.url) as redis:
            wait_for(partial(_answers, redis), "an answer of the server")


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
