"""A test double: a fleet in memory, whose workers follow habits. Queues, claims and outcomes work; nothing is computed.

    fleet = PlayedFleet()
    fleet.add("d0", slots=2)                                     # works: begins and ends attempts
    fleet.add("d1", habit=in_turn((keeps, 3), (is_silent, 1)))   # begins, then sends no heartbeat again
    Dispatcher("r", Needs.of(DATA_DIR), fleet, Ledger.in_memory(), ...).run(items, on_end)

Time is counted in looks: each look proves `REFRESH_S` seconds, and before it every worker follows its habit once.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from orchestrator.dispatch.fleet import REFRESH_S, Look
from orchestrator.dispatch.presence_reader import Attendance
from orchestrator.dispatch.work import Key, Sent
from schemas.contract.device import Device, DeviceKind
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence
from schemas.contract.share import Share
from schemas.contract.task import FailureClass, Outcome, Status
from schemas.contract.versions import artifact_versions

MOST_LOOKS = 2000
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DATA_DIR = "/played"


class WorkerDouble(Protocol):
    """A double of a worker, as a habit uses it: in memory, or on a real broker."""

    draining: bool
    silent: bool

    def take(self) -> None:
        """Take from the queue while there is room."""

    def begin(self) -> None:
        """Claim what it holds for each free slot."""

    def end(self, **details: Any) -> None:
        """Report an outcome for all that runs: success, or `details`."""

    def lose_held(self) -> None:
        """Forget what it holds."""

    def lose_running(self) -> None:
        """Forget what it runs."""


W = TypeVar("W", bound=WorkerDouble)
Habit = Callable[[W], None]


class PlayedWorker:
    """A device: `take` from the queue, `begin`, `end`. Its heartbeat names what it holds and runs.

    It takes as many attempts as it has slots, and those `ahead`. A `silent` worker sends no heartbeat; that of an
    `outdated` one is older than what it began, and names that as held. While the link of a worker is `cut`, its last
    heartbeat stays. `forge` changes each heartbeat.
    """

    def __init__(
        self, fleet: "PlayedFleet", name: str, slots: int, habit: "Habit[PlayedWorker]", versions: dict[str, str]
    ) -> None:  # fmt: skip
        self.folders = Folders(data_dir=DATA_DIR)
        self.fleet, self.name, self.slots, self.habit, self.versions = fleet, name, slots, habit, versions
        self.held: list[Sent] = []
        self.running: list[Sent] = []
        self.draining = self.silent = self.outdated = self.cut = False
        self._last: Presence | None = None
        self.ahead = 1
        self.forge: Callable[[Presence], Presence] = lambda presence: presence

    def presence(self) -> Presence:
        """Its heartbeat."""
        running = tuple(sent.id for sent in self.running)
        presence = Presence(
            device=Device(name=self.name, kind=DeviceKind.CPU, slots=self.slots), host="played", pid=1, since=EPOCH,
            versions=self.versions, held=(*(sent.id for sent in self.held), *running),
            running=() if self.outdated else running,
            draining=self.draining, folders=self.folders,
        )  # fmt: skip
        return self.forge(presence)

    def heartbeat(self) -> Presence:
        """Its last heartbeat: of this look, or the one before its link was cut."""
        if not self.cut or self._last is None:
            self._last = self.presence()
        return self._last

    def take(self) -> None:
        """Take from the queue while there is room."""
        queue = self.fleet.queues[self.name]
        while queue and not self.draining and len(self.held) + len(self.running) < self.slots + self.ahead:
            self.held.append(queue.popleft())

    def begin(self) -> None:
        """Claim what it holds for each free slot; an attempt that cannot be claimed is dropped."""
        while self.held and len(self.running) < self.slots:
            sent = self.held.pop(0)
            if self.fleet.claim(sent, self.name):
                self.running.append(sent)

    def end(self, **details: Any) -> None:
        """Report an outcome for all that runs: success, or `details`."""
        for sent in self.running:
            self.fleet.report(sent, self.name, **details)
        self.running.clear()

    def lose_held(self) -> None:
        """Forget what it holds."""
        self.held.clear()

    def lose_running(self) -> None:
        """Forget what it runs."""
        self.running.clear()


def works(worker: WorkerDouble) -> None:
    """End what runs, and begin one attempt per slot."""
    worker.end()
    keeps(worker)


def keeps(worker: WorkerDouble) -> None:
    """Begin one attempt per slot, end nothing."""
    worker.take()
    worker.begin()


def holds(worker: WorkerDouble) -> None:
    """Take from the queue, begin nothing."""
    worker.take()


def idles(worker: WorkerDouble) -> None:
    """Take nothing."""


def loses_held(worker: WorkerDouble) -> None:
    """Lose what it took before that has begun."""
    worker.take()
    worker.lose_held()


def loses_running(worker: WorkerDouble) -> None:
    """Lose what it has begun."""
    keeps(worker)
    worker.lose_running()


def is_silent(worker: WorkerDouble) -> None:
    """Do nothing and send no heartbeat."""
    worker.silent = True


def drains(worker: WorkerDouble) -> None:
    """Take nothing more, end what runs."""
    worker.draining = True
    worker.end()


def fails(failure: FailureClass) -> Habit[WorkerDouble]:
    """End what runs as `failure`, begin one attempt per slot."""

    def habit(worker: WorkerDouble) -> None:
        worker.end(status=Status.FAILED, failure=failure, message="played")
        keeps(worker)

    return habit


def in_turn(*habits: tuple[Habit[W], int]) -> Habit[W]:
    """One habit after another, each for so many looks; the last one for good."""
    queue = deque(habit for habit, looks in habits for _ in range(looks))
    return lambda worker: (queue.popleft() if len(queue) > 1 else queue[0])(worker)


class PlayedFleet:
    """One run's fleet in memory; implements `Fleet`. `sent` and `killed` record the calls."""

    def __init__(self) -> None:
        self.workers: dict[str, PlayedWorker] = {}
        self.queues: dict[str, deque[Sent]] = {}
        self.reserved: dict[str, str] = {}
        self.shares: dict[str, Share] = {}
        self.sent: list[Sent] = []
        self.killed: list[tuple[str, str]] = []
        self.dead_letters: list[str] = []
        self.looks = 0
        self.watch: Callable[[], object] = lambda: None
        self._planned: dict[int, Callable[[], object]] = {}
        self._attendance = Attendance()
        # The newest attempt at each piece of work, and the device that claimed it.
        self._allowed: dict[Key, tuple[int, str | None]] = {}
        self._outcomes: deque[Outcome] = deque()

    def add(
        self, name: str, slots: int = 1, habit: Habit[PlayedWorker] = works, versions: dict[str, str] | None = None
    ) -> PlayedWorker:
        """Add a worker; its `versions` are this code's unless they are given."""
        self.queues.setdefault(name, deque())
        worker = self.workers[name] = PlayedWorker(self, name, slots, habit, versions or artifact_versions())
        return worker

    def at(self, look: int, action: Callable[[], object]) -> None:
        """Call `action` in the look of that number, after the workers followed their habits."""
        self._planned[look] = action

    def forget(self) -> None:
        """Lose all that a broker holds: queues, claims, outcomes and reservations."""
        for queue in self.queues.values():
            queue.clear()
        self._allowed.clear()
        self._outcomes.clear()
        self.reserved.clear()

    # Calls of the workers.

    def claim(self, sent: Sent, device: str) -> bool:
        """Begin an attempt: once, while it is the newest."""
        if self._allowed.get(sent.item.key) != (sent.attempt, None):
            return False
        self._allowed[sent.item.key] = (sent.attempt, device)
        return True

    def report(self, sent: Sent, device: str, **details: Any) -> None:
        """Append an outcome of an attempt: success, or `details`."""
        values: dict[str, Any] = {"status": Status.SUCCESS, "duration_seconds": REFRESH_S} | details
        role, name = sent.item.key
        run_id = sent.item.task().run_id
        self._outcomes.append(
            Outcome(run_id=run_id, role=role, name=name, attempt=sent.attempt, device=device, **values)
        )

    # Calls of the loop: see `Fleet`.

    def now_s(self) -> float:
        """Seconds since the first look."""
        return self.looks * REFRESH_S

    def look(self) -> Look:
        """Let every worker follow its habit once, then look."""
        self.looks += 1
        if self.looks > MOST_LOOKS:
            raise AssertionError(f"the run does not end; sent so far: {[sent.id for sent in self.sent]}")
        for worker in self.workers.values():
            worker.silent = False
            worker.habit(worker)
        self._planned.get(self.looks, lambda: None)()
        self.watch()
        there = {name: worker.heartbeat() for name, worker in self.workers.items() if not worker.silent}
        seconds = self._attendance.update(there, REFRESH_S)
        return Look(self._attendance.present, dict(self.reserved), seconds, self._attendance.covered_s)

    def queued(self, devices: Collection[str]) -> dict[str, set[str]]:
        """Ids of the attempts in each of these devices' queues."""
        return {device: {sent.id for sent in self.queues[device]} for device in devices}

    def claimants(self, identities: Collection[str]) -> dict[str, str]:
        """The device that has claimed each attempt, empty if none has."""
        named = (sent for sent in self.sent if sent.id in identities)
        known = ((sent, *self._allowed.get(sent.item.key, (None, None))) for sent in named)
        return {sent.id: device or "" for sent, attempt, device in known if attempt == sent.attempt}

    def send(self, ready: Sequence[Sent]) -> None:
        """Allow attempts and put each in its device's queue."""
        for sent in ready:
            self._allowed[sent.item.key] = (sent.attempt, None)
            self.queues[sent.device].append(sent)
            self.sent.append(sent)

    def recall(self, sent: Sent) -> bool:
        """Revoke an attempt and take it out of the queue; False if a worker has claimed it."""
        self.queues[sent.device] = deque(each for each in self.queues[sent.device] if each.id != sent.id)
        attempt, device = self._allowed.get(sent.item.key, (sent.attempt, None))
        if attempt == sent.attempt and device is None:
            self._allowed.pop(sent.item.key, None)
        return attempt != sent.attempt or device is None

    def share(self, own: Share) -> dict[str, Share]:
        """The shares of other runs, as a test sets them."""
        return self.shares

    def kill(self, identity: str, device: str) -> None:
        """End the attempt without an outcome."""
        self.killed.append((identity, device))
        worker = self.workers[device]
        worker.running = [sent for sent in worker.running if sent.id != identity]

    def outcomes(self, *, wait: bool) -> Iterator[Outcome]:
        """The outcomes that no call has yielded yet; never waits."""
        while self._outcomes:
            yield self._outcomes.popleft()

    def set_aside(self, outcome: Outcome, why: str) -> None:
        """Record the reason."""
        self.dead_letters.append(why)

    def reserve(self, device: str) -> None:
        """Keep a device free for this run; a reservation does not expire."""
        self.reserved[device] = self.sent[0].item.task().run_id if self.sent else ""

    def release(self, device: str) -> None:
        """End a reservation."""
        self.reserved.pop(device, None)

    def running(self) -> set[str]:
        """Ids of the attempts that workers run."""
        return {sent.id for worker in self.workers.values() for sent in worker.running}

    def withdraw(self, devices: Iterable[str]) -> None:
        """Empty these devices' queues."""
        for device in devices:
            self.queues[device].clear()

    def clear(self, devices: Iterable[str]) -> None:
        """Remove the run: no attempt can begin any more."""
        self.withdraw(devices)
        self._allowed.clear()
        self._outcomes.clear()
