"""Turns worker heartbeats into `device_heartbeat` events of a run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.dispatch.needs import Needs
from orchestrator.events.emitter import Emitter
from schemas.contract.event import EventStatus, EventType
from schemas.contract.presence import Presence
from schemas.contract.task import WINDOW_ROLES, Metric
from schemas.redis.attempt_id import AttemptId

BEAT_EVERY_S = 5.0
# All devices together: with 1,000 of them each has an event every 50 s.
MOST_PER_S = 20.0
EMPTY_FLEET_S = 5.0
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass
class Known:
    """Content of the last event about a device. `pid` is its worker's, None while it has none."""

    pid: int | None = None
    leaving: bool = False
    refused: str = ""
    running: tuple[str, ...] = ()
    doing: str = ""
    # Monotonic seconds.
    emitted_s: float = float("-inf")
    slots: int = 0


class HeartbeatEvents:
    """Emits a `device_heartbeat` when a device comes, goes or changes, and every five seconds while it is online.

    Of more than a hundred devices each has one less often, `MOST_PER_S` all together.
    """

    def __init__(self, telemetry: Emitter, run_id: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._telemetry, self._run_id, self._clock = telemetry, run_id, clock
        self._known: dict[str, Known] = {}
        self._empty_since: float | None = None
        self._every_s = BEAT_EVERY_S

    def see(self, present: Mapping[str, Presence], needs: Needs, unreadable: Mapping[str, str] = NONE) -> None:
        """Take in the devices that are online now; those that do not meet the run's `needs` get no work.

        `unreadable`: why the heartbeats of other devices cannot be read.
        """
        with self._telemetry.together():
            self._see_all(present, needs)
            self._report_empty_fleet(present, unreadable)

    def _see_all(self, present: Mapping[str, Presence], needs: Needs) -> None:
        self._every_s = max(BEAT_EVERY_S, len(present) / MOST_PER_S)
        for name, presence in present.items():
            self._see_one(self._known.setdefault(name, Known()), presence, needs)
        for name, known in self._known.items():
            if known.pid is not None and name not in present:
                standing = "left" if known.leaving else "lost"
                self._emit(name, known, standing, "has left" if known.leaving else "is lost")
                known.pid, known.leaving = None, False

    def missing_workers(self, present: Mapping[str, Presence], unreadable: Mapping[str, str]) -> str:
        """Why no device of the last look can work for the run; empty if one can."""
        if not present and unreadable:
            name, reason = min(unreadable.items())
            shown = name.encode("unicode_escape").decode()
            return f"no worker is online whose heartbeat can be read; that of {shown} cannot be: {reason}"
        if not present:
            return "no worker is online"
        if all(each.draining for each in present.values()):
            return "every device that is online is draining or cordoned"
        first = min(present)
        if not all(self._known[name].refused for name in present):
            return ""
        others = f" (nor any of {len(present) - 1} others)" if len(present) > 1 else ""
        return f"no worker that is online can work for this run: not {first}{others}: {self._known[first].refused}"

    def _see_one(self, known: Known, presence: Presence, needs: Needs) -> None:
        name, before = presence.device.name, known.pid
        known.slots = presence.device.slots
        messages = []
        if before is None:
            slots = presence.device.slots
            messages.append(f"is online, {slots} slot{'' if slots == 1 else 's'}")
        elif before != presence.pid:
            self._emit(name, known, "lost", f"lost its worker, process {before}; process {presence.pid} takes over")
        if presence.draining and not known.leaving:
            messages.append("is draining: it finishes what it runs")
        unmet = needs.unmet(presence)
        if unmet and unmet != known.refused:
            messages.append(f"gets no work: {unmet}")
        known.pid, known.leaving, known.refused = presence.pid, presence.draining, unmet
        changed = presence.running != known.running and self._note_work(known, presence.running)
        if messages or changed or self._clock() - known.emitted_s >= self._every_s:
            standing = "refused" if unmet else "leaving" if presence.draining else "here"
            for place, message in enumerate(messages or [""]):
                self._emit(name, known, standing, message, presence, joined=before is None and place == 0)

    def _note_work(self, known: Known, running: tuple[str, ...]) -> bool:
        """Note what a device runs; whether that has no event of its own, as a window has."""
        before, known.running = known.running, running
        doing, known.doing = known.doing, ", ".join(self._work(identity) for identity in running)
        return known.doing != doing and not all(self._is_window(identity) for identity in (*before, *running))

    def _is_window(self, identity: str) -> bool:
        """Whether an attempt is one at a window of this run."""
        attempt = AttemptId.parse(identity)
        return attempt is not None and attempt.run_id == self._run_id and attempt.role in WINDOW_ROLES

    def _work(self, identity: str) -> str:
        """An attempt's id in words; of another run's work only the role."""
        attempt = AttemptId.parse(identity)
        if attempt is None:
            return "another program's task"
        return attempt.work if attempt.run_id == self._run_id else f"another run's {attempt.role}"

    def _emit(
        self, name: str, known: Known, standing: str, message: str, presence: Presence | None = None, *,
        joined: bool = False,
    ) -> None:  # fmt: skip
        known.emitted_s = self._clock()
        metrics: dict[str, Metric] = {"standing": standing, "slots": known.slots}
        if presence is not None:
            metrics |= {
                "utilisation": _rounded(presence.utilisation, 3),
                "memory_mib": _rounded(presence.memory_mib, 1),
                "memory_total_mib": _rounded(presence.memory_total_mib, 1),
                "rate": round(presence.rate, 3),
                "running": known.doing,
                "model": presence.device.model,
            }
        if joined:
            metrics["joined"] = True
        status = EventStatus.FAILED if standing == "lost" else EventStatus.IN_PROGRESS
        self._telemetry.emit(EventType.DEVICE_HEARTBEAT, status, device=name, message=message, metrics=metrics)

    def _report_empty_fleet(self, present: Mapping[str, Presence], unreadable: Mapping[str, str]) -> None:
        if present:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self._clock()
        elif 0 < self._empty_since < self._clock() - EMPTY_FLEET_S:
            message = f"{self.missing_workers(present, unreadable)}; waiting for one to start"
            self._telemetry.emit(EventType.DEVICE_HEARTBEAT, EventStatus.FAILED, message=message)
            self._empty_since = 0.0


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
