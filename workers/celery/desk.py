"""A worker's desk: attempts that it has received wait here until they are claimed and a slot is free.

The worker claims and reports for its pool children on one connection, without waiting for replies. On a far broker it
claims attempts ahead, as many as its slots begin in the time that a claim takes; near one, none. With a store, what an
attempt reads is fetched before it is claimed, and it is reported once its artifact is stored.
"""

import logging
import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import count
from typing import Any

from celery.worker import state

from schemas.contract.task import IngestTask, Outcome, RunTask, Status, WindowTask, work_name
from schemas.redis.attempts import claiming, giving_back, reporting
from workers.celery.courier import Courier
from workers.celery.transfers import FETCH_S, Transfers
from workers.handlers.report import lost, parse, start_event
from workers.plugins.call_note import noted_call

logger = logging.getLogger(__name__)

# Messages that a worker takes from its queue, per slot; it claims fewer ahead than that.
RECEIVED_PER_SLOT = 8
# Claims must arrive in time although a round trip is sometimes longer than the last.
AHEAD_ROUND_TRIPS = 1.5
KEPT_DURATIONS = 15
# An attempt that was claimed ahead and could not begin for so long, and four round trips, is given back.
GIVEN_BACK_S = 1.0


@dataclass(eq=False)
class Attempt:
    """An attempt that the worker has received; `since_s` is when that was, then when it was claimed, and when it began.

    `inputs` ends when what it reads is here; None if nothing is fetched ahead.
    """

    request: Any
    task: IngestTask | WindowTask | RunTask
    claimant: str
    since_s: float
    inputs: "Future[None] | None" = None

    @property
    def claim(self) -> tuple[str, str, str, int, str]:
        """Run, role, name, number and claimant."""
        return self.task.run_id, self.task.role, work_name(self.task), self.task.attempt, self.claimant


class Desk:
    """Passes attempts on to the pool, with `begin`, once they are claimed and one of `slots` is free.

    While a worker drains, its timers run in a thread beside the pool's results, so calls hold the courier's lock.
    """

    def __init__(
        self, courier: Courier, device: str, slots: int, begin: Callable[[Any], None],
        transfers: Transfers | None = None,
    ) -> None:  # fmt: skip
        self._courier, self._device, self._slots, self._begin = courier, device, slots, begin
        self._transfers = transfers
        self._lock = courier.lock
        self._waiting: deque[Attempt] = deque()
        self._claiming: dict[str, Attempt] = {}
        self._ready: dict[str, Attempt] = {}
        self._begun: dict[str, Attempt] = {}
        self._publishing: dict[str, Future[Outcome]] = {}
        self._unreported: set[str] = set()
        self._durations_s: deque[float] = deque(maxlen=KEPT_DURATIONS)
        self._numbers = count(1)
        self._stopped = False
        self.round_trip_s: float | None = None

    @property
    def held(self) -> set[str]:
        """Ids of attempts that have begun, and whose outcome the broker has not confirmed."""
        with self._lock:
            return self._unreported | self._publishing.keys() | self._begun.keys()

    @property
    def transfer_s(self) -> float:
        """Seconds that the files of a window usually take from and to the store; 0 without a store."""
        return self._transfers.usual_s if self._transfers is not None else 0.0

    def take(self, request: Any) -> None:
        """Take an attempt in that has arrived."""
        # The number makes two messages of one attempt two claimants, of which one begins it.
        claimant = f"{self._device} {os.getpid()}-{next(self._numbers)}"
        task = parse(request.kwargs["message"])
        inputs = self._transfers.fetch(task) if self._transfers is not None else None
        attempt = Attempt(request, task, claimant, time.monotonic(), inputs)
        with self._lock:
            self._waiting.append(attempt)
            self.advance()

    def advance(self) -> None:
        """Report what is published, begin and claim as much as there is room for, give back what was claimed too early.

        A worker that drains gives back all that it has not begun.
        """
        with self._lock:
            for identity in [identity for identity, each in self._publishing.items() if each.done()]:
                outcome = self._publishing.pop(identity).result()
                self._report(identity, outcome.run_id, outcome.model_dump_json())
            while self._ready and self._has_free_slot() and not self._stopped:
                self._start(self._ready.pop(next(iter(self._ready))))
            self._give_back_late()
            while not self._stopped and self._room() > 0 and (attempt := self._next()) is not None:
                self._waiting.remove(attempt)
                self._claim(attempt)

    def ended(self, identity: str, outcome: str | None) -> None:
        """Report the outcome of an attempt that its pool child returned; None if the child died.

        An empty outcome is that of a message which is not its run's: the run's own may still come.
        """
        with self._lock:
            attempt = self._begun.pop(identity, None)
            if attempt is not None:
                self._durations_s.append(time.monotonic() - attempt.since_s)
                if outcome:
                    self._publish_or_report(identity, attempt.task, outcome)
                elif outcome is not None:
                    self._courier.send(giving_back(*attempt.claim))
            self.advance()

    def lost(self, identity: str, reason: str) -> None:
        """Report an attempt whose pool child died."""
        with self._lock:
            if (attempt := self._begun.get(identity)) is not None:
                place = noted_call(attempt.request.worker_pid)
                outcome = lost(attempt.task, self._device, f"{reason}, in {place}" if place else reason)
                self._report(identity, attempt.task.run_id, outcome.model_dump_json())

    def restart(self) -> None:
        """Forget what has not begun: Celery does, when it has lost its own connection."""
        running = {request.id for request in state.active_requests}
        with self._lock:
            dropped = [each for identity, each in self._begun.items() if identity not in running]
            for each in (*self._ready.values(), *dropped):
                self._courier.send(giving_back(*each.claim))
            self._begun = {identity: each for identity, each in self._begun.items() if identity in running}
            self._waiting.clear()
            self._claiming.clear()
            self._ready.clear()

    def stop(self) -> None:
        """Begin nothing more; what runs may end. A signal's handler may call this in the middle of any other call."""
        self._stopped = True

    def is_publishing(self, within_s: float) -> bool:
        """Wait until every artifact is published, for `within_s` at most; False once all that ended is reported."""
        wait(list(self._publishing.values()), within_s)
        self.advance()
        return bool(self._publishing)

    def _give_back_late(self) -> None:
        """Give back what was claimed so long ago that what runs must take longer than those before."""
        late_s = time.monotonic() - GIVEN_BACK_S - 4 * (self.round_trip_s or 0.0)
        late = [identity for identity, each in self._ready.items() if each.since_s < late_s or self._stopped]
        for identity in reversed(late):
            attempt = self._ready.pop(identity)
            self._courier.send(giving_back(*attempt.claim))
            self._waiting.appendleft(attempt)
        if late:
            # Nothing is claimed ahead until one of those that run has ended.
            self._durations_s.clear()

    def _has_free_slot(self) -> bool:
        """Whether an attempt may begin; not while the store is far behind."""
        most = RECEIVED_PER_SLOT * self._slots
        return len(self._begun) < self._slots and len(self._publishing) < most

    def _next(self) -> Attempt | None:
        """The attempt to be claimed next: the first whose inputs are here, or are late."""
        late_s = time.monotonic() - FETCH_S
        able = (each for each in self._waiting if each.inputs is None or each.inputs.done() or each.since_s < late_s)
        return next(able, None)

    def _room(self) -> int:
        """How many more attempts may be claimed."""
        return self._slots + self._ahead() - len(self._begun) - len(self._claiming) - len(self._ready)

    def _ahead(self) -> int:
        """How many attempts the slots begin while a claim is on its way."""
        if not self._durations_s or self.round_trip_s is None:
            return 0
        ends = self._slots * AHEAD_ROUND_TRIPS * self.round_trip_s / max(statistics.median(self._durations_s), 1e-3)
        return int(min(ends, (RECEIVED_PER_SLOT - 1) * self._slots))

    def _claim(self, attempt: Attempt) -> None:
        task, identity = attempt.task, attempt.request.id
        event = start_event(task, self._device) if isinstance(task, WindowTask) and task.telemetry else None
        if identity in self._claiming:
            self._drop(attempt)  # the same message once more
            return
        self._claiming[identity] = attempt
        self._courier.send(claiming(*attempt.claim, event), lambda reply: self._claimed(identity, attempt, reply))

    def _claimed(self, identity: str, attempt: Attempt, reply: Any) -> None:
        is_wanted = self._claiming.get(identity) is attempt
        if is_wanted:
            del self._claiming[identity]
        if not reply:
            role, name = attempt.task.role, work_name(attempt.task)
            logger.info("%s %s attempt %d was revoked before it started", role, name, attempt.task.attempt)
            self._drop(attempt)
        elif is_wanted:
            attempt.since_s = time.monotonic()
            self._ready[identity] = attempt
        else:
            self._courier.send(giving_back(*attempt.claim))
        self.advance()

    def _drop(self, attempt: Attempt) -> None:
        attempt.request.acknowledge()
        state.task_ready(attempt.request)

    def _start(self, attempt: Attempt) -> None:
        if attempt.request.revoked():
            return
        attempt.since_s = time.monotonic()
        self._begun[attempt.request.id] = attempt
        self._begin(attempt.request)

    def _publish_or_report(self, identity: str, task: IngestTask | WindowTask | RunTask, outcome: str) -> None:
        if self._transfers is not None and isinstance(task, WindowTask):
            ended = Outcome.model_validate_json(outcome)
            if ended.status is Status.SUCCESS:
                self._publishing[identity] = self._transfers.publish(task, ended)
                return
        self._report(identity, task.run_id, outcome)

    def _report(self, identity: str, run_id: str, outcome: str) -> None:
        self._unreported.add(identity)
        self._courier.send(reporting(run_id, outcome), lambda reply: self._reported(identity))

    def _reported(self, identity: str) -> None:
        self._unreported.discard(identity)
