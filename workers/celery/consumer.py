"""How a worker looks for a broker that is away."""

from typing import Any

from celery.worker import consumer, state
from celery.worker.consumer.consumer import logger


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Celery's own, but it looks every two seconds for as long as it takes, not ever more rarely up to every thirty."""

    def ensure_connected(self, conn: Any) -> Any:
        """`conn`, once it is connected; returns early where the worker is told to stop."""
        return conn.ensure_connection(
            lambda error, wait_s: logger.warning(
                "the broker does not answer, trying again in %.1f s: %s", wait_s, error
            ),
            interval_start=0.5,
            interval_step=0.5,
            interval_max=2.0,
            callback=state.maybe_shutdown,
        )
