"""A worker says from its own event loop that it is alive, on which device, and which attempts it holds."""

import logging
import os
import socket
from typing import Any

from celery import bootsteps
from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from schemas.wire import PRESENCE_EXPIRY_S, PRESENCE_INTERVAL_S, Presence, presence_key
from workers.connection import connect
from workers.devices import current_device

logger = logging.getLogger(__name__)


class PresenceStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Bootstep on the consumer's timer: a hung loop falls silent, and so does a dead process."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        self.timer: Any = None
        self.redis: Redis | None = None
        super().__init__(parent, **kwargs)

    def start(self, parent: Any) -> None:
        self.device = current_device()
        self.redis = connect(timeout_s=2.0)
        self._beat()
        self.timer = parent.timer.call_repeatedly(PRESENCE_INTERVAL_S, self._beat)

    def stop(self, parent: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.redis is not None:
            try:
                self.redis.delete(presence_key(self.device.name))
            except RedisError as error:
                logger.warning("could not sign off: %s", error)
            self.redis = None

    def _beat(self) -> None:
        if self.redis is None:
            return
        held = tuple(sorted(request.id for request in state.reserved_requests))
        presence = Presence(device=self.device, host=socket.gethostname(), pid=os.getpid(), held=held)
        try:
            expiry_ms = int(PRESENCE_EXPIRY_S * 1000)
            self.redis.set(presence_key(self.device.name), presence.model_dump_json(), px=expiry_ms)
        except RedisError as error:
            logger.warning("heartbeat not delivered: %s", error)
