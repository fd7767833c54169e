"""Celery's consumer, which passes what arrives to the worker's desk, with another pause between attempts to connect."""

from collections.abc import Callable
from typing import Any

from celery.worker import consumer, state
from celery.worker.consumer.consumer import logger

from schemas.contract.presence import StoreUse
from schemas.redis.writes import trouble
from schemas.store.store_meter import METER
from workers.celery.courier import Courier
from workers.celery.desk import Desk
from workers.celery.transfers import Transfers
from workers.celery.waker import Waker
from workers.devices.folders import own_folders
from workers.devices.pinning import current_device


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Connects again every two seconds until the broker answers; Celery's own waits longer each time, up to 30 s."""

    def __init__(self, on_task_request: Callable[[Any], None], *, pool: Any, hub: Any, **options: Any) -> None:
        device = current_device()
        self.courier = Courier(hub)
        self.waker, folders = Waker(), own_folders()
        self._transfers = Transfers(folders, self.waker.wake) if folders.store is not None else None
        self.desk = Desk(self.courier, device.name, device.slots, begin=on_task_request, transfers=self._transfers)
        self._store_use = StoreUse()
        pool.on_end, pool.on_store_use = self.desk.ended, self._moved
        super().__init__(self.desk.take, pool=pool, hub=hub, **options)

    def _moved(self, use: StoreUse) -> None:
        self._store_use += use

    def store_use(self) -> StoreUse:
        """What this process and its pool children have moved to and from the store."""
        self._moved(METER.take())
        if self._store_use.is_failing and self._transfers is not None:
            self._transfers.ask_again()
        return self._store_use

    def ensure_connected(self, conn: Any) -> Any:
        """Return `conn` once it is connected, or when the worker must stop."""
        return conn.ensure_connection(
            lambda error, wait_s: logger.warning("the broker %s; trying again in %.1f s", trouble(error), wait_s),
            interval_start=0.5,
            interval_step=0.5,
            interval_max=2.0,
            callback=state.maybe_shutdown,
        )
