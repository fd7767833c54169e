"""Celery's pool of processes, whose children return the outcome of an attempt to their worker."""

# mypy: disallow-untyped-calls=False

from collections.abc import Callable
from functools import partial
from typing import Any

from celery.concurrency.prefork import TaskPool

from schemas.contract.presence import StoreUse
from schemas.store.store_meter import METER

# In a pool child: what the attempt that runs returns to its worker.
_returned: list[str] = []


def give_to_worker(outcome: str) -> None:
    """In a pool child: return `outcome` to the worker when the task that runs has ended."""
    _returned[:] = [outcome]


def with_outcome(trace: Callable[..., tuple[int, Any, float]], *arguments: Any) -> tuple[int, Any, float]:
    """In a pool child: run a task through Celery's `trace`; to its result are added the store's use and the outcome."""
    _returned.clear()
    failed, result, seconds = trace(*arguments)
    return failed, (result, METER.take().model_dump_json(), *_returned), seconds


class Pool(TaskPool):  # type: ignore[misc]
    """Calls `on_end` with the id of each task that ended, and with what its child has returned, None if it died.

    `on_store_use` is called before, with what the task has moved to and from the store, unless the child died.
    """

    on_end: Callable[[str, str | None], None]
    on_store_use: Callable[[StoreUse], None]

    def apply_async(self, target: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run a task in a child; the callbacks of its request are called first."""
        succeeded, failed, identity = options["callback"], options["error_callback"], options["correlation_id"]

        def on_result(result: tuple[int, Any, float]) -> None:
            was_failure, (own, moved, *outcomes), seconds = result
            outcome = outcomes[0] if outcomes else None
            self.on_store_use(StoreUse.model_validate_json(moved))
            try:
                succeeded((was_failure, own if was_failure else outcome, seconds))
            finally:
                self.on_end(identity, outcome)

        def on_loss(error: Any) -> None:
            try:
                failed(error)
            finally:
                self.on_end(identity, None)

        options |= {"callback": on_result, "error_callback": on_loss}
        return super().apply_async(partial(with_outcome, target), args, kwargs, **options)
