"""Celery's consumer with another pause between attempts to connect."""

from typing import Any

from celery.worker import consumer, state
from celery.worker.consumer.consumer import logger


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Connects again every two seconds until the broker answers; Celery's own waits longer each time, up to 30 s."""

    def ensure_connected(self, conn: Any) -> Any:
        """Return `conn` once it is connected, or when the worker must stop."""
        return conn.ensure_connection(
            lambda error, wait_s: logger.warning("the broker gives no work, trying again in %.1f s: %s", wait_s, error),
            interval_start=0.5,
            interval_step=0.5,
            interval_max=2.0,
            callback=state.maybe_shutdown,
        )
