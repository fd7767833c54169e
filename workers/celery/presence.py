"""Sends heartbeats from the worker's own event loop: its device, and the attempts that it holds."""

import logging
import os
import socket
import time
from collections import deque
from datetime import UTC, datetime
from itertools import count
from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from schemas.contract.machine import this_machine
from schemas.contract.presence import PRESENCE_INTERVAL_S, Presence, expiry_s
from schemas.contract.versions import artifact_versions
from schemas.files.free_space import free_gib
from schemas.redis.presences import beat, sign_off
from schemas.redis.worker_connection import connect
from schemas.redis.writes import trouble
from workers.devices.failed_starts import own_report
from workers.devices.folders import own_folders
from workers.devices.pinning import current_device
from workers.devices.usage import usage

logger = logging.getLogger(__name__)

RATE_SPAN_S = 60.0


class PresenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Bootstep on the consumer's timer: neither a hung loop nor a dead process sends a heartbeat."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.timer: Any = None
        self.redis: Redis | None = None
        self.since = datetime.now(UTC)
        self.draining = False
        self.device = current_device()
        self.usage = usage(self.device)
        self.report = own_report()
        self.beats = count(1)
        self.round_trip_s: float | None = None
        self.clock_ahead_s: float | None = None
        self.counts: deque[tuple[float, int]] = deque()
        signals.worker_shutting_down.connect(self._drain)
        signals.worker_shutdown.connect(self._sign_off)
        super().__init__(parent, **kwargs)

    def start(self, parent: Any) -> None:
        """Start the heartbeat when the worker starts."""
        if self.redis is None:
            self.redis = connect(timeout_s=2.0)
        self._beat()
        self.timer = parent.timer.call_repeatedly(PRESENCE_INTERVAL_S, self._beat)

    def stop(self, parent: Any) -> None:
        """Called before a reconnection, and at the end while the pool still runs attempts."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.draining and self.redis is not None:
            self._beat()
            # Celery's loop runs its timers while it waits for its pool.
            self.timer = parent.timer.call_repeatedly(PRESENCE_INTERVAL_S, self._beat)

    def _drain(self, **_: object) -> None:
        self.draining = True

    def _sign_off(self, **_: object) -> None:
        if self.redis is not None:
            try:
                sign_off(self.redis, self.device.name)
            except RedisError as error:
                logger.warning("could not sign off, as the broker %s", trouble(error))
            self.redis = None

    def _beat(self) -> None:
        if self.redis is None:
            return
        done = state.all_total_count[0] - len(state.active_requests)
        if done and self.report is not None:
            self.report.note_work()
            self.report = None
        folders = own_folders()
        presence = Presence(
            device=self.device,
            host=socket.gethostname(),
            pid=os.getpid(),
            beats=next(self.beats),
            round_trip_s=self.round_trip_s,
            clock_ahead_s=self.clock_ahead_s,
            free_gib=round(free_gib(folders.data_dir), 2),
            machine=this_machine(),
            since=self.since,
            versions=artifact_versions(),
            held=tuple(sorted(request.id for request in state.reserved_requests)),
            running=tuple(sorted(request.id for request in state.active_requests)),
            done=done,
            rate=self._rate(done),
            **self.usage()._asdict(),
            draining=self.draining,
            folders=folders,
        )
        try:
            began, wall = time.monotonic(), time.time()
            server = beat(self.redis, presence, expiry_s(self.round_trip_s or 0.0))
            self.round_trip_s = round(time.monotonic() - began, 4)
            self.clock_ahead_s = round(wall + self.round_trip_s / 2 - server, 3)
        except RedisError as error:
            logger.warning("heartbeat not delivered, as the broker %s", trouble(error))

    def _rate(self, done: int) -> float:
        """Attempts ended per second, over the last minute."""
        now = time.monotonic()
        self.counts.append((now, done))
        while now - self.counts[0][0] > RATE_SPAN_S:
            self.counts.popleft()
        then, before = self.counts[0]
        return (done - before) / (now - then) if now > then else 0.0
