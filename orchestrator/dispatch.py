"""Who trains what: hand work to devices as they have room, take outcomes in, send again what was lost."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from redis import Redis

from orchestrator.backlog import Backlog, Work
from orchestrator.fleet import Fleet
from orchestrator.ledger import Ledger
from orchestrator.progress import Progress
from orchestrator.sender import Sender
from orchestrator.streams import read_beyond
from orchestrator.telemetry import Telemetry
from schemas.messages import RETRIED, FailureClass, Outcome, Role, Status, work_name
from schemas.wire import attempt_id, outcomes_stream

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
RETRY_BACKOFF_S = 1.0
UNHELD_S = 3.0
BLOCK_MS = 50
BATCH = 256

Key = tuple[Role, str]


@dataclass
class Sent:
    """An attempt that a device should be working on; `missed` is since when nobody says that they hold it."""

    work: Work
    device: str
    missed: float | None = None


class Dispatcher:
    """One run's hand on the fleet. Late binding: a device gets work only while fewer than slots + 1 are out on it."""

    def __init__(
        self, run_id: str, redis: Redis, ledger: Ledger, sender: Sender, telemetry: Telemetry, progress: Progress,
        local_exit: Callable[[], int | None],
    ) -> None:  # fmt: skip
        self._run_id, self._redis, self._ledger = run_id, redis, ledger
        self._sender, self._telemetry, self._progress = sender, telemetry, progress
        self._local_exit = local_exit
        self._fleet = Fleet(redis)
        self._backlog = Backlog()
        self._later: list[tuple[float, Work]] = []
        self._sent: dict[Key, Sent] = {}
        self._cursor = "0-0"
        self._waiting_said = False

    def drain(self) -> None:
        """Take in outcomes that arrived while nobody listened (resume), before anything is sent again."""
        while self._take_outcomes(lambda outcome: (), block_ms=None):
            pass

    def run(self, work: Iterable[Work], on_end: Callable[[Outcome], Iterable[Work]]) -> None:
        """Send `work` and whatever `on_end` returns for each outcome, until every piece has ended."""
        for item in work:
            self._backlog.add(item)
        while self._backlog or self._later or self._sent:
            if self._fleet.refresh():
                self._look_after(on_end)
            self._fill()
            self._take_outcomes(on_end, block_ms=BLOCK_MS)
            self._telemetry.write_new()

    def _fill(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self._later if entry[0] <= now]:
            self._later.remove(entry)
            self._backlog.add_first(entry[1])
        for name, presence in self._fleet.present.items():
            out = sum(sent.device == name for sent in self._sent.values())
            while out < presence.device.slots + 1:
                work = self._backlog.take(name, idle=out < presence.device.slots)
                if work is None:
                    break
                self._send(work, name)
                out += 1

    def _send(self, work: Work, device: str) -> None:
        name = work_name(work)
        work = work.model_copy(update={"attempt": self._ledger.send(work.role, name, device)})
        self._sent[work.role, name] = Sent(work, device)
        self._sender.send(work, device)
        self._progress.device_takes(device, f"{work.role} {name}")

    def _take_outcomes(self, on_end: Callable[[Outcome], Iterable[Work]], block_ms: int | None) -> int:
        stream = outcomes_stream(self._run_id)
        entries = read_beyond(self._redis, stream, self._cursor, "outcome", BATCH, block_ms)
        for self._cursor, body in entries:
            self._end(Outcome.model_validate_json(body), on_end)
        return len(entries)

    def _end(self, outcome: Outcome, on_end: Callable[[Outcome], Iterable[Work]]) -> None:
        key = (outcome.role, outcome.name)
        sent = self._sent.get(key)
        if sent is not None and sent.work.attempt == outcome.attempt and self._may_retry(outcome):
            self._again(sent, outcome.failure or FailureClass.BUG, outcome.message)
            return
        if not self._ledger.record(outcome):
            logger.info("late outcome of %s %s attempt %d changes nothing", *key, outcome.attempt)
            return
        self._sent.pop(key, None)
        self._progress.device_done(outcome.device)
        # A student comes before the next teacher of its symbol: no phase waits for another.
        for item in on_end(outcome):
            self._backlog.add_first(item)

    def _may_retry(self, outcome: Outcome) -> bool:
        return outcome.status is Status.FAILED and outcome.failure in RETRIED and outcome.attempt < MAX_ATTEMPTS

    def _again(self, sent: Sent, failure: FailureClass, message: str) -> None:
        name = work_name(sent.work)
        attempt = sent.work.attempt
        del self._sent[sent.work.role, name]
        if not self._ledger.retry(sent.work.role, name, attempt, failure, message):
            return
        self._later.append((time.monotonic() + RETRY_BACKOFF_S * 2 ** (attempt - 1), sent.work))
        self._progress.note(
            f"{sent.work.role} {name}: attempt {attempt} on {sent.device} {failure} ({message}); trying again"
        )

    def _look_after(self, on_end: Callable[[Outcome], Iterable[Work]]) -> None:
        present = self._fleet.present
        self._progress.fleet({name: presence.device.slots for name, presence in present.items()})
        self._say_if_alone()
        now = time.monotonic()
        for key, sent in list(self._sent.items()):
            if self._sent.get(key) is not sent:
                continue
            presence = present.get(sent.device)
            identity = attempt_id(self._run_id, sent.work.role, work_name(sent.work), sent.work.attempt)
            held = presence is not None and (identity in presence.held or bool(self._redis.llen(sent.device)))
            if held:
                sent.missed = None
            elif sent.missed is None:
                sent.missed = now
            elif now - sent.missed > UNHELD_S and not self._take_outcomes(on_end, block_ms=None):
                # Only when every outcome that has come in is known, this one's among them, is it lost.
                self._lose(sent, on_end, gone=presence is None)

    def _lose(self, sent: Sent, on_end: Callable[[Outcome], Iterable[Work]], *, gone: bool) -> None:
        reason = f"device {sent.device} fell silent" if gone else f"device {sent.device} does not hold it any more"
        if gone:
            self._backlog.forget(sent.device)
        if sent.work.attempt < MAX_ATTEMPTS:
            self._again(sent, FailureClass.LOST, reason)
            return
        lost = Outcome(
            run_id=self._run_id, role=sent.work.role, name=work_name(sent.work), attempt=sent.work.attempt,
            device=sent.device, status=Status.FAILED, failure=FailureClass.LOST, message=f"lost each time: {reason}",
        )  # fmt: skip
        self._end(lost, on_end)

    def _say_if_alone(self) -> None:
        code = self._local_exit()
        if code is not None:
            raise WorkersGone(code)
        if not self._fleet.present and self._waiting_said is False:
            self._waiting_said = True
            self._progress.note("waiting for a worker to start")
        elif self._fleet.present:
            self._waiting_said = False


class WorkersGone(Exception):
    """The run's own `workers start` ended by itself; carries its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the local workers ended with {code}; the log says why")
