"""Decides which device gets which attempt, and which attempts are recalled, killed or failed.

Pure: a frozen view of one run's work and its fleet goes in, actions come out. Nothing here reads a clock, talks to a
broker or logs; `loop.py` builds the view and carries the actions out. Seconds are observed seconds: time in which the
broker did not answer is not counted.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cached_property

from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.untried import Untried
from orchestrator.dispatch.work import Item, Sent, Stray
from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, Role

# An attempt that is in no queue and held by no worker for so long is lost.
UNHELD_S = 3.0
# A device that has work and begins none for so long (its pool does not start) loses that work.
UNTAKEN_S = 30.0
# The same if another device, which begins what it is sent, has a free slot: a heartbeat may come without a worker.
LEFT_S = 5.0
# A device that lost work for the second time in a row gets none for so long, then one attempt; twice as long each time.
PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0
# An attempt that waited so long at a busy device while another has a free slot goes there.
STEAL_AFTER_S = 1.0
# An attempt that is not wanted any more is killed once it was seen running for so long.
STRAY_S = 3.0
MAX_STRIKES = 3
# Work that disappears so often before it begins is struck from then on: each worker that takes it cannot begin it.
MOST_UNBEGUN = 30
# Attempts beyond its slots are on their way to a far device for so many round trips: its report, and what follows.
# Their files are on their way for its transfers.
ROUND_TRIPS = 2.0
MOST_AHEAD = 64
# Pause before the second attempt; it doubles for the third.
RETRY_BACKOFF_S = 1.0


@dataclass(frozen=True)
class Lapse:
    """How often in a row a device began nothing of what it was sent, and until when it gets nothing."""

    count: int
    until_s: float


def lapse(before: Lapse | None, now_s: float) -> Lapse:
    """The lapse of a device that has once more begun nothing."""
    count = 1 if before is None else before.count + 1
    pause_s = min(PAUSE_S * 2.0 ** min(count - 2, 10), LONGEST_PAUSE_S) if count > 1 else 0.0
    return Lapse(count, now_s + pause_s)


@dataclass(frozen=True)
class View:
    """Input of a decision: one run's work and its fleet at one moment.

    `present` has the devices that are online, `fit` those of them that may work for the run, in order of names (see
    `fit_for`), `reserved` the run for which a device is kept free. `waiting`, `again`
    and `holders` are the backlog's, `sent` has this run's attempts without an outcome. `lapses` has the devices that
    began nothing of what they were last sent; a heartbeat without a worker never begins any. `claimants` has the device
    that has claimed each attempt which is out, or which a heartbeat names as running, empty for none: what a heartbeat
    names may be wrong. `usual_s` is how long the last windows took, None before the first. `allotted` is how many slots
    of each device the run may use, None for all. `looked` is true once per look at the fleet: only then is an attempt
    recalled, failed or killed.
    """

    run_id: str
    present: Mapping[str, Presence]
    fit: Mapping[str, Presence]
    reserved: Mapping[str, str]
    waiting: Mapping[str, Sequence[Item]]
    again: Sequence[Item]
    holders: Mapping[str, str]
    sent: Sequence[Sent]
    strays: Sequence[Stray]
    lapses: Mapping[str, Lapse]
    claimants: Mapping[str, str]
    limits_s: Mapping[Role, float]
    usual_s: float | None
    allotted: Mapping[str, int] | None
    now_s: float
    looked: bool


@dataclass(frozen=True)
class Send:
    """Send an item to a device as a new attempt."""

    item: Item
    device: str


class RecallReason(Enum):
    """Why an attempt is recalled."""

    LOST = auto()
    DRAINING = auto()
    NOT_BEGUN = auto()
    STOLEN = auto()


@dataclass(frozen=True)
class Recall:
    """Revoke an attempt so that it can be sent again. If a worker has claimed a LOST one, it has failed as lost."""

    sent: Sent
    why: RecallReason
    message: str


@dataclass(frozen=True)
class Fail:
    """End an attempt as failed."""

    sent: Sent
    failure: FailureClass
    message: str


@dataclass(frozen=True)
class Kill:
    """End the process that runs an attempt."""

    id: str
    device: str


@dataclass(frozen=True)
class Reserve:
    """Keep a device free of other work, for work that must be alone on it."""

    device: str


Action = Send | Recall | Fail | Kill | Reserve


def policy(view: View) -> list[Action]:
    """Decide the actions for a view; the order of its devices does not matter."""
    supervised = list(_supervise(view)) if view.looked else []
    return [*supervised, *_fill(view)]


def next_try(sent: Sent, failure: FailureClass, now_s: float, *, begun: bool) -> Item | None:
    """The item after an attempt failed in a way that may pass; None once it has failed for good.

    An attempt that had begun is a strike: the next one goes elsewhere if it can, later, and alone if memory ran out. So
    is one of many that disappeared without; from the second of them on the next one goes elsewhere, too.
    """
    item = replace(sent.item, lost=sent.item.lost or failure is FailureClass.LOST)
    if not begun:
        spoiled = item.spoiled | {sent.device} if item.unbegun else item.spoiled
        item = replace(item, unbegun=item.unbegun + 1, spoiled=spoiled)
    if begun or item.unbegun > MOST_UNBEGUN:
        item = replace(
            item,
            strikes=item.strikes + 1,
            spoiled=item.spoiled | {sent.device},
            alone=item.alone or failure is FailureClass.OOM,
        )
    if item.strikes >= MAX_STRIKES:
        return None
    return replace(item, due_s=now_s + (RETRY_BACKOFF_S * 2 ** (item.strikes - 1) if item.strikes else 0.0))


def moved(recall: Recall) -> Item:
    """The item after an attempt that had not begun was recalled without being lost."""
    item = recall.sent.item
    return item if recall.why is RecallReason.STOLEN else replace(item, spoiled=item.spoiled | {recall.sent.device})


def fit_for(needs: Needs, present: Mapping[str, Presence]) -> dict[str, Presence]:
    """The devices that do not drain and meet the run's needs, in order of names."""
    return {name: each for name, each in sorted(present.items()) if not each.draining and not needs.unmet(each)}


def usable(view: View) -> dict[str, Presence]:
    """The devices that may get work, by name: fit for the run, with slots for it, and reserved by no other work.

    Those that begin nothing are left out for a while, unless there are no others.
    """
    alone = {sent.device for sent in view.sent if sent.item.alone}
    alone |= {name for name, run_id in view.reserved.items() if run_id != view.run_id}
    mine = view.fit if view.allotted is None else {name: view.fit[name] for name in view.allotted if name in view.fit}
    free = {name: presence for name, presence in mine.items() if name not in alone}
    paused = {name for name, each in view.lapses.items() if view.now_s < each.until_s}
    return {name: presence for name, presence in free.items() if name not in paused} or free


# Supervision.


def _supervise(view: View) -> Iterator[Action]:
    there = usable(view)
    due = [item for item in view.again if item.alone and item.due_s <= view.now_s]
    yield from (Reserve(name) for name in sorted({_device_for_alone(item, there) for item in due} if there else ()))
    judged = [action for sent in view.sent for action in _judge(view, sent)]
    yield from judged
    yield from (Kill(stray.id, stray.device) for stray in view.strays if stray.seconds > STRAY_S)
    if not view.waiting and not view.again and not any(isinstance(action, Recall) for action in judged):
        yield from _steal(view, there)


def _judge(view: View, sent: Sent) -> Iterator[Action]:
    """Decide about one attempt: no action while it runs, waits behind running work, or was missed only briefly.

    What runs is what a heartbeat names and its device has claimed, so one that lies reaches no limit and keeps no work.
    """
    presence = view.present.get(sent.device)
    limit_s = view.limits_s.get(sent.item.work.role)
    waits = sent.waited_s and not sent.missed_s
    claimant = view.claimants.get(sent.id) or sent.device
    if presence is None:
        yield Recall(sent, RecallReason.LOST, f"device {sent.device} sends no heartbeat")
    elif sent.missed_s > UNHELD_S:
        yield Recall(sent, RecallReason.LOST, f"device {sent.device} no longer holds it")
    elif sent.runs(presence, view.claimants):
        # Its outcome may be on its way.
        if limit_s is not None and sent.ran_s > limit_s + ROUND_TRIPS * (presence.round_trip_s or 0.0):
            reason = f"it ran longer than {limit_s:.0f} s, the limit for a {sent.item.work.role} (--window-limit)"
            place = presence.calls.get(sent.id)
            yield Fail(sent, FailureClass.TIMEOUT, f"{reason}; its process was ended{f' in {place}' if place else ''}")
            yield Kill(sent.id, sent.device)
        elif sent.item.alone:
            yield Reserve(sent.device)
    elif claimant != sent.device and sent.waited_s > UNHELD_S:
        yield Recall(sent, RecallReason.LOST, f"{claimant} has claimed it, not {sent.device}")
    elif (waits or sent.missed_s) and presence.draining:
        yield Recall(sent, RecallReason.DRAINING, f"{sent.device} is draining")
    elif waits and sent.waited_s > UNTAKEN_S and not _has_begun_any(presence, view.claimants):
        yield Recall(sent, RecallReason.NOT_BEGUN, f"{sent.device} has begun nothing for {UNTAKEN_S:.0f} s")
    elif sent.item.alone:
        yield Reserve(sent.device)


def _has_begun_any(presence: Presence, claimants: Mapping[str, str]) -> bool:
    """Whether a device has claimed an attempt, of any run, that its heartbeat names as running."""
    return any(claimants.get(identity) == presence.device.name for identity in presence.running)


def _steal(view: View, there: Mapping[str, Presence]) -> Iterator[Recall]:
    """Recall what waits while another device has a free slot for it: behind running work, or where none is begun."""
    out = Counter(sent.device for sent in view.sent)
    slots = {name: _slots(view, name) for name in there}
    idle = [name for name, count in slots.items() for _ in range(out[name], count)]
    for sent in view.sent:
        behind = sent.waited_s > STEAL_AFTER_S and out[sent.device] > slots.get(sent.device, 0)
        presence = view.present.get(sent.device)
        left = sent.waited_s > LEFT_S and presence is not None and not presence.running
        if not (behind or left) or sent.item.alone:
            continue
        takers = (name for name in idle if _may_run_on(sent.item, name, there))
        if left and not behind:
            takers = (name for name in takers if name not in sent.item.spoiled and name not in view.lapses)
        if (taker := next(takers, None)) is not None:
            idle.remove(taker)
            out[sent.device] -= 1
            if left:
                yield Recall(sent, RecallReason.NOT_BEGUN, f"{sent.device} has begun nothing for {LEFT_S:.0f} s")
            else:
                yield Recall(sent, RecallReason.STOLEN, f"{taker} has a free slot")


def _slots(view: View, name: str) -> int:
    """The slots of a device; one while it has begun nothing of what it was last sent."""
    return 1 if name in view.lapses else view.present[name].device.slots


# Sending.


def _fill(view: View) -> list[Send]:
    """Fill every free slot, the device with the smallest share in use first; then give each device one more attempt.

    A far device gets as many more as its slots end while a report and the next message are on their way. The last
    attempts, one for each slot of the devices, wait for whichever slot is free first: behind another window one would
    wait while slots are free.
    """
    if not view.waiting and not any(item.due_s <= view.now_s for item in view.again):
        return []
    filling = _Filling(view)
    for extra in range(1 + max((ahead(each, view.usual_s) for each in view.fit.values()), default=0)):
        while filling.round(extra):
            pass
    return filling.sends


def ahead(presence: Presence, usual_s: float | None) -> int:
    """How many attempts beyond its slots may be out at a device, if windows take `usual_s`."""
    if usual_s is None or presence.round_trip_s is None:
        return 1
    under_way_s = ROUND_TRIPS * presence.round_trip_s + presence.transfer_s
    ends = presence.device.slots * under_way_s / max(usual_s, 1e-3)
    return max(1, math.ceil(min(ends, MOST_AHEAD)))


class _Filling:
    """A plan that is being built: attempts sent, work that waits, and holders of symbols, as if its sends were done."""

    def __init__(self, view: View) -> None:
        self.sends: list[Send] = []
        self._view, self._usable = view, usable(view)
        self._out = Counter(sent.device for sent in view.sent)
        self._again = [item for item in view.again if item.due_s <= view.now_s]

    @cached_property
    def _most_sends(self) -> int:
        """How many attempts may be sent before the last ones wait for a free slot; all to a single device."""
        last = sum(self._slots(name) for name in self._usable) if len(self._usable) > 1 else 0
        due = sum(item.due_s <= self._view.now_s for item in self._view.again)
        return due + sum(map(len, self._view.waiting.values())) - last

    @cached_property
    def _untried(self) -> Untried:
        """Made once a device has room for something."""
        return Untried(self._view.waiting, self._view.holders)

    def round(self, extra: int) -> bool:
        """Plan at most one send for each device with fewer than its slots and `extra` out; False if there is none."""
        before = len(self.sends)
        free = [name for name in self._usable if self._out[name] < self._most(name, extra)]
        for name in sorted(free, key=self._precedence):
            if extra and len(self.sends) >= self._most_sends:
                break
            item = self._choose(name)
            if item is None:
                continue
            self.sends.append(Send(item, name))
            self._out[name] += 1
            if item.alone:
                del self._usable[name]
                return True
        return len(self.sends) > before

    def _precedence(self, name: str) -> tuple[bool, float]:
        """Devices that begin what they are sent first, then the smallest share in use."""
        return name in self._view.lapses, self._out[name] / self._slots(name)

    def _slots(self, name: str) -> int:
        return _slots(self._view, name)

    def _most(self, name: str, extra: int) -> int:
        """How many attempts may be out at a device."""
        more = 0 if name in self._view.lapses else ahead(self._usable[name], self._view.usual_s)
        if self._view.allotted is None:
            return self._slots(name) + min(extra, more)
        own = min(self._view.allotted.get(name, 0), self._slots(name))
        return own + min(extra, max(more - 1, 0) * own // self._slots(name))

    def _choose(self, name: str) -> Item | None:
        """The next item for a device: retries first; None if what waits is not for it now."""
        empty = not self._out[name] and not self._usable[name].held
        if not empty and any(item.alone and name == _device_for_alone(item, self._usable) for item in self._again):
            return None
        item = next((item for item in self._again if _may_run_on(item, name, self._usable)), None)
        if item is not None:
            self._again.remove(item)
            return item
        # With more devices than symbols some hold none, and would wait for a message at the end of each window.
        some_hold_none = len(self._usable) > len(self._view.waiting)
        return self._untried.take(name, idle=some_hold_none or self._out[name] < self._slots(name))


def _may_run_on(item: Item, device: str, there: Collection[str]) -> bool:
    """Whether `device`, one of the usable devices `there`, may receive an item that was tried before."""
    if item.alone:
        return device == _device_for_alone(item, there)
    return device not in item.spoiled or all(name in item.spoiled for name in there)


def _device_for_alone(item: Item, there: Collection[str]) -> str:
    """The one device that is kept free for work that must be alone."""
    return min(there, key=lambda name: (name in item.spoiled, name))
