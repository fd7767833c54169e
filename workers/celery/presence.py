"""Sends heartbeats from the worker's own event loop: its device, and the attempts that it holds."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

from celery import bootsteps, signals
from celery.exceptions import WorkerLostError
from celery.worker import state

from schemas.config.model_kinds import OPTIONAL_LIBRARIES
from schemas.config.side import SIDE_LIBRARIES
from schemas.contract.machine import this_machine
from schemas.contract.plugin_source import plugin_digests, plugins_of_environment
from schemas.contract.presence import PRESENCE_INTERVAL_S, Presence, StoreUse, expiry_s
from schemas.contract.versions import artifact_versions
from schemas.files.folder_id import folder_id
from schemas.files.free_space import free_gib
from schemas.redis.presences import beating, signing_off
from schemas.redis.signing import fleet_key
from workers.celery.courier import Call, Courier
from workers.celery.desk import Desk
from workers.celery.waker import Waker
from workers.devices.failed_starts import own_report
from workers.devices.folders import own_folders
from workers.devices.pinning import current_device
from workers.devices.usage import usage
from workers.handlers.copies import keep_copies
from workers.plugins.call_note import noted_call

RATE_SPAN_S = 60.0
KEPT_ROUND_TRIPS = 10
# A worker that ends waits so long until its outcomes are accepted.
FINISH_S = 60.0


class PresenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Bootstep on the consumer's timer: neither a hung loop nor a dead process sends a heartbeat."""

    # The last to start is the first to stop: the others take a second to stop on a far broker.
    requires = tuple(f"celery.worker.consumer.{name}" for name in ("tasks:Tasks", "control:Control", "heart:Heart"))

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.timer: Any = None
        self.courier: Courier = parent.courier
        self.desk: Desk = parent.desk
        self.waker: Waker = parent.waker
        self.store_use: Callable[[], StoreUse] = parent.store_use
        self.since = datetime.now(UTC)
        self.is_draining = False
        self.last: Call | None = None
        self.device = current_device()
        self.usage = usage(self.device)
        self.plugins = plugin_digests(plugins_of_environment())
        self.report = own_report()
        self.beats = count(1)
        self.clock_ahead_s: float | None = None
        self.round_trips_s: deque[float] = deque(maxlen=KEPT_ROUND_TRIPS)
        self.counts: deque[tuple[float, int]] = deque()
        signals.worker_shutting_down.connect(self._drain)
        signals.worker_shutdown.connect(self._sign_off)
        signals.task_failure.connect(self._lose)
        super().__init__(parent, **kwargs)

    def start(self, parent: Any) -> None:
        """Start the heartbeat when the worker starts, and after each reconnection."""
        self.courier.attach()
        self.waker.attach(parent.hub, self.desk.advance)
        self.desk.restart()
        self._beat()
        self.timer = parent.timer.call_repeatedly(PRESENCE_INTERVAL_S, self._beat)

    def stop(self, parent: Any) -> None:
        """Called before a reconnection, and at the end while the pool still runs attempts."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.is_draining:
            # What has not begun is sent elsewhere once the heartbeat is read. Celery would put it back into the queue,
            # one round trip for each message.
            parent.task_consumer.channel.do_restore = False
            self._beat(at_once=True)
            # Celery runs its timers while it waits for its pool.
            self.timer = parent.timer.call_repeatedly(PRESENCE_INTERVAL_S, self._beat)

    def shutdown(self, parent: Any) -> None:
        """Called once the pool has ended, before the connections close, which takes seconds on a far broker."""
        self.desk.restart()
        self._beat(at_once=True)

    def _drain(self, **_: object) -> None:
        """Note a signal, and wake the event loop, which acts: a handler may interrupt a command that is being sent."""
        self.is_draining = True
        self.desk.stop()
        self.waker.wake()

    def _lose(self, task_id: str, exception: BaseException, **_: object) -> None:
        """Report the attempt of a pool child that died, as the child cannot."""
        if isinstance(exception, WorkerLostError):
            self.desk.lost(task_id, f"its process ended: {exception}")

    def _sign_off(self, **_: object) -> None:
        while self.desk.is_publishing(PRESENCE_INTERVAL_S):
            self._beat()
        self.courier.send(signing_off(self.device.name))
        self.courier.finish(FINISH_S)

    def _beat(self, *, at_once: bool = False) -> None:
        """Send a heartbeat, unless the last one has no reply yet; look after what waits for one."""
        self.courier.tend()
        self.desk.advance()
        if self.last is not None and self.last.pending and not at_once:
            return
        done = state.all_total_count[0] - len(state.active_requests)
        if done and self.report is not None:
            self.report.note_work()
            self.report = None
        folders = own_folders()
        running = {request.id for request in state.active_requests}
        held = {request.id for request in state.reserved_requests} | self.desk.held
        keep_copies(running | held, folders)
        presence = Presence(
            device=self.device,
            host=socket.gethostname(),
            pid=os.getpid(),
            beats=next(self.beats),
            sent_s=round(time.time() - (self.clock_ahead_s or 0.0), 3),
            keys=fleet_key().names,
            round_trip_s=self.desk.round_trip_s,
            distance_s=min(self.round_trips_s, default=None),
            transfer_s=self.desk.transfer_s,
            clock_ahead_s=self.clock_ahead_s,
            free_gib=round(free_gib(folders.data_dir), 2),
            machine=this_machine(),
            since=self.since,
            versions=artifact_versions(*OPTIONAL_LIBRARIES, *SIDE_LIBRARIES),
            held=tuple(sorted(held)),
            running=tuple(sorted(running)),
            done=done,
            rate=self._rate(done),
            **self.usage()._asdict(),
            draining=self.is_draining,
            folders=folders.model_copy(update={"folder_id": folder_id(folders.data_dir)}),
            plugins=self.plugins,
            calls=self._calls(),
            store=self.store_use() if folders.store is not None else None,
        )
        command = beating(presence, expiry_s(self.desk.round_trip_s or 0.0))
        began, wall = time.monotonic(), time.time()
        self.last = self.courier.send(command, lambda now_ms: self._beaten(began, wall, int(now_ms) / 1000), once=True)

    def _calls(self) -> dict[str, str]:
        """Where attempts are that run code of a plug-in now."""
        if not self.plugins:
            return {}
        places = {request.id: noted_call(request.worker_pid) for request in state.active_requests}
        return {identity: place for identity, place in places.items() if place}

    def _beaten(self, began_s: float, wall_s: float, server_s: float) -> None:
        """Learn from the reply to a heartbeat how far the broker is, and how far ahead of its clock this host's."""
        self.desk.round_trip_s = round(time.monotonic() - began_s, 4)
        self.round_trips_s.append(self.desk.round_trip_s)
        self.clock_ahead_s = round(wall_s + self.desk.round_trip_s / 2 - server_s, 3)

    def _rate(self, done: int) -> float:
        """Attempts ended per second, over the last minute."""
        now = time.monotonic()
        self.counts.append((now, done))
        while now - self.counts[0][0] > RATE_SPAN_S:
            self.counts.popleft()
        then, before = self.counts[0]
        return (done - before) / (now - then) if now > then else 0.0
