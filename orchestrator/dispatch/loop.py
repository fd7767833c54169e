"""Carries out the dispatch policy: looks at the fleet, sends and recalls attempts, takes outcomes in."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from redis.exceptions import NoPermissionError, RedisError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from orchestrator.dispatch.backlog import Backlog
from orchestrator.dispatch.fleet import REFRESH_S, Fleet, Look
from orchestrator.dispatch.heartbeat_events import HeartbeatEvents
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.policy import (
    MAX_STRIKES,
    Action,
    Fail,
    Kill,
    Lapse,
    Recall,
    RecallReason,
    Reserve,
    Send,
    View,
    fit_for,
    lapse,
    moved,
    next_try,
    policy,
)
from orchestrator.dispatch.retry_events import emit_retry
from orchestrator.dispatch.sharing import Sharing, at_most
from orchestrator.dispatch.time_limits import TimeLimits
from orchestrator.dispatch.work import Item, Key, Sent, Stray, find_strays, refused
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.presence import Presence
from schemas.contract.task import RETRIED, FailureClass, Outcome, Status
from schemas.files.log_lines import Fact, facts
from schemas.redis.attempt_id import AttemptId
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

KILL_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0

# A device runs as many attempts at once as it has slots; a heartbeat may name any number.
MOST_NAMED = 256

BROKER_GONE = (RedisError, ConnectionError, TimeoutError)

T = TypeVar("T")

OnEnd = Callable[[Outcome], Iterable[Item]]


class Dispatcher:
    """Runs one run's work on a fleet, until every piece has an outcome.

    `foreign` returns why what an outcome stands for is not the run's own; then the work is tried again.

    Nothing is sent before `least_devices` can work for the run; later it goes on with fewer.

    `tend` is called at each look at the fleet, and while the broker is away; it raises what must end the run. A run
    that waits for something else calls it.
    """

    def __init__(
        self, run_id: str, needs: Needs, fleet: Fleet, ledger: Ledger, telemetry: Emitter, live_view: LiveView,
        tend: Callable[[], None], window_limit_s: float | None = None,
        foreign: Callable[[Outcome], str] = lambda outcome: "", least_devices: int = 0,
        sharing: Sharing | None = None,
    ) -> None:  # fmt: skip
        self._run_id, self._fleet, self._ledger = run_id, fleet, ledger
        self._telemetry, self._live_view, self.tend = telemetry, live_view, tend
        self._foreign, self._least_devices = foreign, least_devices
        self._sharing = sharing or Sharing(run_id)
        self._allotted: Mapping[str, int] | None = None
        self._heartbeat_events = HeartbeatEvents(telemetry, run_id)
        self._backlog = Backlog()
        self._limits = TimeLimits(window_limit_s, with_store=needs.store is not None)
        self._needs = needs
        self._sent: dict[Key, Sent] = {}
        self._strays: tuple[Stray, ...] = ()
        self._lapses: dict[str, Lapse] = {}
        self._claimants: Mapping[str, str] = {}
        self._look, self._fit = Look({}, {}, 0.0, {}), dict[str, Presence]()
        self._waiting, self._is_away = "", False
        # Why the broker takes no writes, and whether it refuses a command.
        self._refusal = ""
        self._unsent = ""
        # Whether work came or ended since the last decision; otherwise the next look brings the next one.
        self._is_new = False

    def take_missed_outcomes(self) -> None:
        """Take in outcomes that arrived while no orchestrator ran (resume), before anything is sent again."""
        while self._patiently(lambda: self._take_outcomes(lambda outcome: (), wait=False)):
            pass
        self._patiently(self._telemetry.write_new)

    def run(self, work: Iterable[Item], on_end: OnEnd, sources: tuple[str, ...] = ()) -> None:
        """Send `work` and whatever `on_end` returns for each outcome, until every piece has ended.

        `sources` are the paths, without links, that it reads outside the run's data folder.
        """
        self._needs = replace(self._needs, sources=sources)
        self._find_fit()
        out = self._ledger.sent()
        for item in work:
            if item.key in out:
                # An earlier process sent it. The device that has it may finish it; otherwise it is soon found lost.
                self._expect(item, *out[item.key])
            else:
                self._backlog.add(item)
        self._is_new = True
        while self._backlog or self._sent:
            self._patiently(lambda: self._step(on_end))
        self._wait_for("")

    def stop_attempts(self, *, kill: bool) -> None:
        """Recall attempts that no worker has begun; `kill` ends running ones, too. A begun attempt may still report."""
        with suppress(*BROKER_GONE):
            for sent in list(self._sent.values()):
                if self._fleet.recall(sent):
                    self._close(sent, None, "taken back")
                elif kill:
                    self._fleet.kill(sent.id, sent.device)
                    self._close(sent, None, "ended with its run")
            self._fleet.withdraw(self._ledger.devices())
            deadline = time.monotonic() + KILL_S
            while kill and self._fleet.running() and time.monotonic() < deadline:
                time.sleep(REFRESH_S)

    def clear_broker(self) -> None:
        """Remove the run from the broker; its events stay for a minute, for followers."""
        with suppress(*BROKER_GONE):
            self._fleet.clear(self._ledger.devices())

    def _patiently(self, call: Callable[[], T]) -> T:
        """The result of `call`, repeated with backoff for as long as the broker does not answer."""
        retrying = Retrying(
            retry=retry_if_exception_type(BROKER_GONE),
            wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            before_sleep=self._note_outage,
        )
        began = time.monotonic()
        result = retrying(call)
        if self._is_away:
            self._is_away = False
            does = "takes work" if self._refusal else "answers"
            self._live_view.note(f"the broker {does} again after {time.monotonic() - began:.1f} s")
            self._wait_for("")
        return result

    def _note_outage(self, state: RetryCallState) -> None:
        """Log each failure, and show the second: a connection that was closed is opened again without notice."""
        error = (state.outcome.exception() if state.outcome is not None else None) or RedisError()
        logger.warning("the broker %s", trouble(error))
        self.tend()
        if state.attempt_number < 2:
            return
        why = trouble(error)
        reason = f"the broker {why}"
        before, self._refusal = self._refusal, "" if why.startswith("does not answer") else why.partition(" (")[0]
        if not self._is_away or before != self._refusal:
            self._is_away = True
            self._live_view.note(f"{reason}; waiting for it")
            self._wait_for(reason)

    def _wait_for(self, reason: str) -> None:
        """Record why the run waits, for every screen; empty once it goes on."""
        if reason != self._waiting:
            self._waiting = reason
            self._ledger.set(waiting=reason)
            self._live_view.wait_for(reason)

    def _step(self, on_end: OnEnd) -> None:
        look = self._fleet.look()
        if look is not None:
            self._observe(look, on_end)
        if look is not None or self._is_new or self._backlog.again:
            self._is_new = False
            self._carry_out(policy(self._view(looked=look is not None)), on_end)
        self._take_outcomes(on_end, wait=True)

    # Observing.

    def _observe(self, look: Look, on_end: OnEnd) -> None:
        """Take in a look, then every outcome that came before it, then the queues: only then is an attempt missing."""
        self._heartbeat_events.see(look.present, self._needs, look.unreadable)
        self.tend()
        for name in self._look.present.keys() - look.present.keys():
            self._backlog.forget(name)
        self._look = look
        too_few = self._find_fit()
        self._wait_for(self._heartbeat_events.missing_workers(look.present, look.unreadable) or too_few or self._unsent)
        while self._take_outcomes(on_end, wait=False):
            pass
        unseen = {sent.device for sent in self._sent.values() if not sent.is_held(look.present.get(sent.device))}
        queues = self._fleet.queued(unseen & look.present.keys())
        self._look_up_claims(look)
        running = 0
        for key, sent in self._sent.items():
            presence = look.present.get(sent.device)
            queue, covered_s = queues.get(sent.device, ()), look.covered_s.get(sent.device, 0.0)
            seen = sent.observed(presence, queue, look.seconds, covered_s, self._claimants)
            if seen.ran_s > sent.ran_s:
                running += 1
                self._lapses.pop(sent.device, None)
            self._sent[key] = seen
        wants = len(self._backlog) + len(self._sent)
        self._allotted = self._sharing.slots(self._fit, wants, running, look.seconds, self._fleet.share)
        wanted = {sent.id for sent in self._sent.values()}
        self._strays = find_strays(self._run_id, look.present, wanted, self._strays, look.seconds)
        self._telemetry.write_new()

    def _find_fit(self) -> str:
        """Find the devices that may get work: none before there are enough of them. Returns why there are none yet."""
        used = {sent.device for sent in self._sent.values()}
        self._fit = at_most(self._sharing.most_devices, fit_for(self._needs, self._look.present), used, self._lapses)
        found, least = len(self._fit), self._least_devices
        if found < least:
            self._fit = {}
            return f"{found} of the {least} devices that --min-devices asks for are online and can work for this run"
        self._least_devices = 0
        return ""

    def _look_up_claims(self, look: Look) -> None:
        """Learn who has claimed the attempts that are out, and what their devices name as running. A claim is final."""
        devices = {sent.device for sent in self._sent.values()} & look.present.keys()
        named = (look.present[name].running[:MOST_NAMED] for name in devices)
        wanted = {sent.id for sent in self._sent.values()}.union(*named)
        known = {each: device for each, device in self._claimants.items() if device and each in wanted}
        self._claimants = known | dict(self._fleet.claimants(wanted - known.keys()))

    def _view(self, *, looked: bool) -> View:
        return View(
            run_id=self._run_id, present=self._look.present, fit=self._fit, reserved=self._look.reserved,
            waiting=self._backlog.waiting, again=self._backlog.again, holders=self._backlog.holders,
            sent=tuple(self._sent.values()), strays=self._strays, lapses=self._lapses, claimants=self._claimants,
            limits_s=self._limits.by_role(), usual_s=self._limits.usual_s(),
            allotted=self._allotted, now_s=self._fleet.now_s(), looked=looked,
        )  # fmt: skip

    # Acting.

    def _carry_out(self, actions: list[Action], on_end: OnEnd) -> None:
        self._note_lapses([each for each in actions if isinstance(each, Recall) and each.why is RecallReason.NOT_BEGUN])
        for action in actions:
            match action:
                case Recall():
                    self._recall(action, on_end)
                case Fail():
                    self._fail(action, on_end)
                case Kill(identity, device):
                    logger.warning("ending %s on %s: it is no longer wanted", identity, device)
                    self._fleet.kill(identity, device)
                case Reserve(device):
                    self._fleet.reserve(device)
        if sends := [action for action in actions if isinstance(action, Send)]:
            self._send(sends)

    def _send(self, sends: list[Send]) -> None:
        ready = []
        for send in sends:
            self._backlog.remove(send.item, send.device)
            sent = self._expect(send.item, self._ledger.send(*send.item.key, send.device), send.device)
            ready.append(sent)
            if sent.item.strikes or sent.item.lost:
                emit_retry(self._telemetry, sent)
        for sent in ready:
            if sent.item.alone:
                self._fleet.reserve(sent.device)
        before, self._unsent = self._unsent, ""
        try:
            self._fleet.send(ready)
        except NoPermissionError as error:
            # They are soon found missing, and sent again.
            self._unsent = f"the broker {trouble(error)}"
            if self._unsent != before:
                self._live_view.note(f"{self._unsent}; waiting for it")

    def _expect(self, item: Item, attempt: int, device: str) -> Sent:
        sent = Sent(item, device, attempt, str(AttemptId(self._run_id, *item.key, attempt)))
        self._sent[item.key] = sent
        return sent

    def _note_lapses(self, recalls: list[Recall]) -> None:
        """Record once per device that it began nothing of what it was sent: it gets less, then nothing for a while."""
        for device in dict.fromkeys(recall.sent.device for recall in recalls):
            own = [recall for recall in recalls if recall.sent.device == device]
            role, name = own[0].sent.item.key
            more = f" and {len(own) - 1} more" if len(own) > 1 else ""
            self._live_view.note(f"{role} {name}{more}: {own[0].message}; taken back")
            self._lapses[device] = lapse(self._lapses.get(device), self._fleet.now_s())
            self._backlog.forget(device)

    def _recall(self, recall: Recall, on_end: OnEnd) -> None:
        sent, revoked = recall.sent, self._fleet.recall(recall.sent)
        if recall.why is RecallReason.LOST:
            message = f"{recall.message}, and it was not begun" if revoked else recall.message
            if not revoked or not self._try_again(sent, FailureClass.LOST, message, begun=False):
                self._fail(Fail(sent, FailureClass.LOST, f"{message}; the worker's log says why"), on_end)
        elif revoked:
            self._close(sent, None, "moved to another device")
            self._backlog.add_again(moved(recall))

    def _fail(self, fail: Fail, on_end: OnEnd) -> None:
        sent, (role, name) = fail.sent, fail.sent.item.key
        if fail.failure is FailureClass.TIMEOUT:
            self._live_view.note(f"{role} {name} on {sent.device}: {fail.message}")
            logger.warning("%s %s: %s", role, name, fail.message, extra=self._facts(sent))
        outcome = Outcome(
            run_id=self._run_id, role=role, name=name, attempt=sent.attempt, device=sent.device,
            status=Status.FAILED, failure=fail.failure, message=fail.message, duration_seconds=sent.ran_s,
        )  # fmt: skip
        self._end(outcome, on_end)

    # Outcomes.

    def _take_outcomes(self, on_end: OnEnd, *, wait: bool) -> int:
        count = 0
        with self._telemetry.together():
            for outcome in self._fleet.outcomes(wait=wait):
                why = self._foreign(outcome)
                self._end(refused(outcome, why) if why else outcome, on_end)
                count += 1
        return count

    def _end(self, outcome: Outcome, on_end: OnEnd) -> None:
        self._is_new = True
        sent = self._sent.get((outcome.role, outcome.name))
        if sent is None or sent.attempt != outcome.attempt:
            self._note_late(outcome)
            return
        if sent.device != outcome.device:
            self._set_aside(outcome, sent.device)
            return
        self._lapses.pop(sent.device, None)
        self._sharing.note_end(outcome.duration_seconds - sent.ran_s)
        if outcome.failure in RETRIED:
            if self._try_again(sent, outcome.failure, outcome.message, begun=True):
                return
            outcome = outcome.model_copy(update={"message": f"given up after {MAX_STRIKES} times: {outcome.message}"})
        if not self._ledger.record(outcome):
            return
        self._forget(sent)
        if outcome.status is Status.SUCCESS:
            self._limits.add(outcome.role, outcome.duration_seconds)
        for item in on_end(outcome):
            self._backlog.add(item)

    def _note_late(self, outcome: Outcome) -> None:
        """Record an outcome that this process does not wait for, unless a newer attempt has been sent."""
        attempt, device = self._ledger.sent().get((outcome.role, outcome.name), (outcome.attempt, outcome.device))
        if attempt == outcome.attempt and device != outcome.device:
            self._set_aside(outcome, device)
            return
        if outcome.failure in RETRIED:
            changed = self._ledger.retry(outcome.role, outcome.name, outcome.attempt, outcome.failure, outcome.message)
        else:
            changed = self._ledger.record(outcome)
        if not changed:
            late = (outcome.role, outcome.name, outcome.attempt)
            logger.info("late outcome of %s %s attempt %d changes nothing", *late, extra=facts(self._run_id, *late))

    def _set_aside(self, outcome: Outcome, device: str) -> None:
        why = f"attempt {outcome.attempt} of {outcome.role} {outcome.name} was sent to {device}, not {outcome.device}"
        logger.warning("an outcome is set aside: %s", why)
        self._fleet.set_aside(outcome, why)

    def _try_again(self, sent: Sent, failure: FailureClass, message: str, *, begun: bool) -> bool:
        """Put work back into the backlog after a failed attempt; False if it has failed for good."""
        item = next_try(sent, failure, self._fleet.now_s(), begun=begun)
        if item is None:
            return False
        self._close(sent, failure, message)
        self._backlog.add_again(item)
        logger.warning("attempt ended, %s: %s; trying again", failure, message, extra=self._facts(sent))
        emit_retry(self._telemetry, sent, failure, message)
        return True

    def _close(self, sent: Sent, failure: FailureClass | None, message: str) -> None:
        """End an attempt whose work goes on."""
        self._ledger.retry(*sent.item.key, sent.attempt, failure, message)
        self._forget(sent)

    def _forget(self, sent: Sent) -> None:
        del self._sent[sent.item.key]
        if sent.item.alone:
            with suppress(*BROKER_GONE):
                self._fleet.release(sent.device)

    def _facts(self, sent: Sent) -> dict[str, Fact]:
        return {**facts(self._run_id, *sent.item.key, sent.attempt), "device": sent.device}
