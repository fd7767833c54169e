"""Who trains what: hand work to devices as they have room, take outcomes in, send again what was lost."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import TypeVar

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.dispatch.backlog import Backlog, Item, Key, may_go
from orchestrator.dispatch.celery_client import Sender
from orchestrator.dispatch.heartbeat_events import Roster
from orchestrator.dispatch.presence_reader import REFRESH_S, Fleet, withdraw
from orchestrator.dispatch.supervision import UNTAKEN_S, Limits, Sent, Verdict, judge
from orchestrator.events.emitter import Emitter
from orchestrator.events.stream_reader import began_anew, read_beyond
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.event import WINDOW_PHASES, EventStatus, EventType
from schemas.contract.presence import Presence
from schemas.contract.task import RETRIED, FailureClass, Outcome, Status, WindowTask
from schemas.contract.versions import artifact_versions
from schemas.files.log_lines import Fact, facts
from schemas.redis.attempt_id import AttemptId, run_prefix
from schemas.redis.attempts import allow, recall
from schemas.redis.keys import RUN_KEYS_LINGER_S, attempts_key, events_stream, outcomes_stream, sequence_key
from schemas.redis.presences import read_presences, release, reserve

logger = logging.getLogger(__name__)

MAX_STRIKES = 3
RETRY_BACKOFF_S = 1.0
# An attempt that waited so long at a busy device while another idles goes to the idle one.
STEAL_AFTER_S = 1.0
STRAY_S = 3.0
KILL_S = 5.0
BLOCK_MS = 50
BATCH = 256
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0

BROKER_GONE = (RedisError, ConnectionError, TimeoutError)

T = TypeVar("T")

OnEnd = Callable[[Outcome], Iterable[Item]]


class Dispatcher:
    """One run's hand on the fleet. Late binding: a device gets work only while fewer than slots + 1 are out on it.

    `tend` is called twice a second, and while the broker is away; it raises what must end the run.
    """

    def __init__(
        self, run_id: str, redis: Redis, ledger: Ledger, sender: Sender, telemetry: Emitter, live_view: LiveView,
        tend: Callable[[], None], window_limit_s: float | None = None,
    ) -> None:  # fmt: skip
        self._run_id, self._redis, self._ledger = run_id, redis, ledger
        self._sender, self._telemetry, self._live_view = sender, telemetry, live_view
        self._tend = tend
        self._fleet = Fleet(redis)
        self._roster = Roster(telemetry, run_id)
        self._backlog = Backlog()
        self._limits = Limits(window_limit_s)
        self._sent: dict[Key, Sent] = {}
        self._out: Counter[str] = Counter()
        self._strays: dict[str, float] = {}
        self._known: set[str] = set()
        self._cursor = "0-0"

    def drain(self) -> None:
        """Take in outcomes that arrived while nobody listened (resume), before anything is sent again."""
        while self._patiently(lambda: self._take_outcomes(lambda outcome: (), block_ms=None)):
            pass
        self._patiently(self._telemetry.write_new)

    def run(self, work: Iterable[Item], on_end: OnEnd) -> None:
        """Send `work` and whatever `on_end` returns for each outcome, until every piece has ended."""
        out = self._ledger.sent()
        for item in work:
            if item.key in out:
                # An earlier process sent it: whoever has it now may finish it; if nobody has, it is soon found lost.
                self._expect(item, *out[item.key])
            else:
                self._backlog.add(item)
        while self._backlog or self._sent:
            self._patiently(lambda: self._step(on_end))

    def leave(self, *, kill: bool) -> None:
        """Take back what no worker has begun; with `kill` end what runs, too. What was begun may still report."""
        with suppress(*BROKER_GONE):
            for sent in list(self._sent.values()):
                if self._recall(sent):
                    self._close(sent, None, "taken back")
                elif kill:
                    self._sender.kill(sent.id, sent.device)
                    self._close(sent, None, "ended with its run")
            withdraw(self._redis, self._ledger.devices(), run_prefix(self._run_id))
            deadline = time.monotonic() + KILL_S
            while kill and self._is_running() and time.monotonic() < deadline:
                time.sleep(REFRESH_S)

    def _is_running(self) -> bool:
        """Whether any device still says that it runs something of this run."""
        running = [identity for presence in read_presences(self._redis).values() for identity in presence.running]
        return any(identity.startswith(run_prefix(self._run_id)) for identity in running)

    def finish(self) -> None:
        """Leave nothing of the run in the broker, save its events, a minute long, for whoever still reads."""
        with suppress(*BROKER_GONE):
            clear(self._redis, self._run_id, self._ledger.devices())

    def _patiently(self, call: Callable[[], T]) -> T:
        """The result of `call`, made again, with backoff, for as long as the broker does not do its part."""
        began, wait_s, said = time.monotonic(), FIRST_WAIT_S, False
        while True:
            try:
                result = call()
            except BROKER_GONE as error:
                logger.warning("the broker does not answer: %s", error)
                self._tend()
                if wait_s > FIRST_WAIT_S and not said:
                    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                    self._live_view.note(f"the broker does not answer ({reason}); waiting for it")
                    said = True
                time.sleep(wait_s)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            else:
                if said:
                    self._live_view.note(f"the broker answers again after {time.monotonic() - began:.1f} s")
                return result

    def _step(self, on_end: OnEnd) -> None:
        seconds = self._fleet.refresh()
        if seconds is not None:
            self._look_after(seconds, on_end)
            self._telemetry.write_new()
        self._fill()
        self._take_outcomes(on_end, block_ms=BLOCK_MS)

    # Sending.

    def _fill(self) -> None:
        usable = self._usable()
        ready: list[Sent] = []
        # Nobody gets a reserve while another has a free slot.
        for extra in (0, 1):
            while sent := self._take_round(usable, extra):
                ready += sent
        if ready:
            self._send(ready)

    def _take_round(self, usable: dict[str, Presence], reserve: int) -> list[Sent]:
        """One piece of work for each device that has fewer than its slots and `reserve` out, the emptiest first."""
        taken: list[Sent] = []
        for name in sorted(usable, key=lambda each: self._out[each] / usable[each].device.slots):
            out, slots = self._out[name], usable[name].device.slots
            if out >= slots + reserve or not self._backlog:
                continue
            empty = not out and not usable[name].held
            item = self._backlog.take(name, usable, idle=out < slots, empty=empty)
            if item is None:
                continue
            taken.append(self._expect(item, self._ledger.send(*item.key, name), name))
            if item.alone:
                del usable[name]
                return taken
        return taken

    def _usable(self) -> dict[str, Presence]:
        """The devices that may be given work: staying, of our versions, and not wanted alone by anybody."""
        versions = artifact_versions().items()
        alone = {sent.device for sent in self._sent.values() if sent.item.alone}
        alone |= {name for name, run_id in self._fleet.alone.items() if run_id != self._run_id}
        return {
            name: presence
            for name, presence in self._fleet.present.items()
            if not presence.draining and name not in alone and versions <= presence.versions.items()
        }

    def _send(self, ready: list[Sent]) -> None:
        for sent in ready:
            if sent.item.strikes or sent.item.lost:
                self._tell_retry(sent, EventStatus.IN_PROGRESS, "")
            if sent.item.alone:
                self._reserve(sent.device)
        with self._redis.pipeline(transaction=False) as pipe:
            for sent in ready:
                allow(pipe, self._run_id, *sent.item.key, sent.attempt)
            pipe.execute()
        self._sender.send(
            [(sent.item.work.model_copy(update={"attempt": sent.attempt}), sent.device) for sent in ready]
        )

    def _expect(self, item: Item, attempt: int, device: str) -> Sent:
        sent = Sent(item, device, attempt, str(AttemptId(self._run_id, *item.key, attempt)))
        self._sent[item.key] = sent
        self._out[device] += 1
        return sent

    def _reserve(self, device: str) -> None:
        reserve(self._redis, device, self._run_id)

    # Outcomes.

    def _take_outcomes(self, on_end: OnEnd, block_ms: int | None) -> int:
        stream = outcomes_stream(self._run_id)
        entries = read_beyond(self._redis, stream, self._cursor, "outcome", BATCH, block_ms)
        for self._cursor, body in entries:
            self._end(Outcome.model_validate_json(body), on_end)
        return len(entries)

    def _end(self, outcome: Outcome, on_end: OnEnd) -> None:
        sent = self._sent.get((outcome.role, outcome.name))
        if sent is None or sent.attempt != outcome.attempt:
            self._note_late(outcome)
            return
        if outcome.failure in RETRIED:
            item = sent.item
            item.strikes += 1
            item.spoiled.add(sent.device)
            item.alone |= outcome.failure is FailureClass.OOM
            if item.strikes < MAX_STRIKES:
                self._again(sent, outcome.failure, outcome.message)
                return
            outcome = outcome.model_copy(update={"message": f"given up after {item.strikes} times: {outcome.message}"})
        if not self._ledger.record(outcome):
            return
        self._forget(sent)
        if outcome.status is Status.SUCCESS:
            self._limits.add(outcome.role, outcome.duration_seconds)
        for item in on_end(outcome):
            self._backlog.add(item)

    def _note_late(self, outcome: Outcome) -> None:
        """Record what nobody waits for in this process, unless a newer attempt has been sent."""
        if outcome.failure in RETRIED:
            changed = self._ledger.retry(outcome.role, outcome.name, outcome.attempt, outcome.failure, outcome.message)
        else:
            changed = self._ledger.record(outcome)
        if not changed:
            late = (outcome.role, outcome.name, outcome.attempt)
            logger.info("late outcome of %s %s attempt %d changes nothing", *late, extra=facts(self._run_id, *late))

    def _again(self, sent: Sent, failure: FailureClass, message: str) -> None:
        item = sent.item
        self._close(sent, failure, message)
        item.due = time.monotonic() + (RETRY_BACKOFF_S * 2 ** (item.strikes - 1) if item.strikes else 0.0)
        self._backlog.add_again(item)
        logger.warning("attempt ended, %s: %s; trying again", failure, message, extra=self._facts(sent))
        self._tell_retry(sent, EventStatus.FAILED, f"{failure}: {message}")

    def _tell_retry(self, sent: Sent, status: EventStatus, message: str) -> None:
        """Tell that an attempt is made again: failed, why; in live_view, who has taken over."""
        work, (role, name) = sent.item.work, sent.item.key
        window = work.window if isinstance(work, WindowTask) else None
        self._telemetry.emit(
            EventType.WINDOW_RETRY, status, WINDOW_PHASES.get(role), symbol=window and window.symbol,
            window_label=window and window.label, message=message, device=sent.device, attempt=sent.attempt,
            metrics={"role": role, "name": name},
        )  # fmt: skip

    def _close(self, sent: Sent, failure: FailureClass | None, message: str) -> None:
        """End an attempt whose work goes on."""
        self._ledger.retry(*sent.item.key, sent.attempt, failure, message)
        self._forget(sent)

    def _forget(self, sent: Sent) -> None:
        del self._sent[sent.item.key]
        self._out[sent.device] -= 1
        if sent.item.alone:
            with suppress(*BROKER_GONE):
                release(self._redis, sent.device)

    # Supervision.

    def _look_after(self, seconds: float, on_end: OnEnd) -> None:
        present = self._fleet.present
        self._roster.see(present, artifact_versions())
        self._tend()
        for name in self._known - present.keys():
            self._backlog.forget(name)
        self._known = set(present)
        if began_anew(self._redis, outcomes_stream(self._run_id), self._cursor):
            self._cursor = "0-0"
        for name in self._backlog.places(self._usable()):
            self._reserve(name)
        queued = cache(self._fleet.queued)
        for key, sent in list(self._sent.items()):
            if self._sent.get(key) is not sent:
                continue
            limit_s = self._limits.of(sent.item.work.role)
            verdict = judge(sent, present.get(sent.device), queued, seconds, limit_s)
            if verdict is Verdict.OVERDUE and limit_s is not None:
                self._stop_overdue(sent, limit_s, on_end)
            elif verdict is Verdict.LEFT_BEHIND:
                self._leave_device(sent)
            # Only when every outcome that has come in is known, this one's among them, is it lost.
            elif verdict is Verdict.LOST and not self._take_outcomes(on_end, block_ms=None):
                self._lose(sent, on_end)
            elif sent.item.alone:
                self._reserve(sent.device)
        self._stop_strays(seconds)
        self._steal()

    def _lose(self, sent: Sent, on_end: OnEnd) -> None:
        silent = sent.device not in self._fleet.present
        reason = f"device {sent.device} fell silent" if silent else f"device {sent.device} does not hold it any more"
        begun = not self._recall(sent)
        withdraw(self._redis, [sent.device], sent.id)
        sent.item.lost = True
        if begun:
            self._end(self._failure(sent, FailureClass.LOST, reason), on_end)
        else:
            self._again(sent, FailureClass.LOST, f"{reason}, and it was not begun")

    def _stop_overdue(self, sent: Sent, limit_s: float, on_end: OnEnd) -> None:
        message = f"it ran longer than {limit_s:.0f} s, the limit for a {sent.item.work.role}; its process was ended"
        self._end(self._failure(sent, FailureClass.TIMEOUT, message), on_end)
        self._live_view.note(f"{sent.item.work.role} {sent.item.key[1]} on {sent.device}: {message}")
        logger.warning("%s %s: %s", *sent.item.key, message, extra=self._facts(sent))
        self._sender.kill(sent.id, sent.device)

    def _facts(self, sent: Sent) -> dict[str, Fact]:
        return {**facts(self._run_id, *sent.item.key, sent.attempt), "device": sent.device}

    def _failure(self, sent: Sent, failure: FailureClass, message: str) -> Outcome:
        role, name = sent.item.key
        return Outcome(
            run_id=self._run_id, role=role, name=name, attempt=sent.attempt, device=sent.device,
            status=Status.FAILED, failure=failure, message=message, duration_seconds=sent.ran_s,
        )  # fmt: skip

    def _recall(self, sent: Sent) -> bool:
        return recall(self._redis, self._run_id, *sent.item.key, sent.attempt)

    def _leave_device(self, sent: Sent) -> None:
        if not self._fleet.present[sent.device].draining:
            role, name = sent.item.key
            self._live_view.note(f"{role} {name}: {sent.device} has begun nothing for {UNTAKEN_S:.0f} s; taken back")
        sent.item.spoiled.add(sent.device)
        self._move(sent)

    def _move(self, sent: Sent) -> bool:
        """Hand what was not begun to whoever takes it next."""
        if not self._recall(sent):
            return False
        withdraw(self._redis, [sent.device], sent.id)
        self._close(sent, None, "moved to another device")
        self._backlog.add_again(sent.item)
        return True

    def _steal(self) -> None:
        """Where the backlog is empty and slots idle, they get what waits behind running work elsewhere."""
        usable = self._usable()
        slots = {name: each.device.slots for name, each in usable.items()}
        idle = [name for name, count in slots.items() for _ in range(self._out[name], count)]
        if self._backlog:
            return
        for sent in list(self._sent.values()):
            behind = sent.waited_s > STEAL_AFTER_S and self._out[sent.device] > slots.get(sent.device, 0)
            taker = next((name for name in idle if may_go(sent.item, name, usable)), None)
            if behind and not sent.item.alone and taker is not None and self._move(sent):
                idle.remove(taker)

    def _stop_strays(self, seconds: float) -> None:
        """End what devices still run of this run though its outcome is known or it was sent elsewhere since."""
        wanted = {sent.id for sent in self._sent.values()}
        running = {
            identity: name
            for name, presence in self._fleet.present.items()
            for identity in presence.running
            if identity.startswith(run_prefix(self._run_id)) and identity not in wanted
        }
        self._strays = {identity: self._strays.get(identity, 0.0) + seconds for identity in running}
        for identity, name in running.items():
            if self._strays[identity] > STRAY_S:
                logger.warning("%s still runs %s, which is not wanted any more; ending it", name, identity)
                self._sender.kill(identity, name)


def clear(redis: Redis, run_id: str, devices: Iterable[str], linger_s: int = RUN_KEYS_LINGER_S) -> None:
    """Remove a run from the broker: what a worker still holds of it can begin no more. Events stay for `linger_s`."""
    withdraw(redis, devices, run_prefix(run_id))
    redis.delete(outcomes_stream(run_id), attempts_key(run_id))
    for key in (events_stream(run_id), sequence_key(run_id)):
        redis.expire(key, linger_s)
