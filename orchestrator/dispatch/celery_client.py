"""Hand an attempt to a device's queue, by task name: the worker's code is never imported here."""

from collections.abc import Sequence

from kombu.exceptions import KombuError
from kombu.messaging import Producer
from redis.exceptions import RedisError

from orchestrator.dispatch.work import Work
from schemas.contract.task import TASK_NAMES, IngestTask, WindowTask, work_name
from schemas.redis.attempt_id import AttemptId
from schemas.redis.celery_loader import InstalledLoader, OwnBroker
from schemas.redis.celery_transport import KEY, transport_options
from schemas.redis.client import address_of
from schemas.redis.signing import NO_KEY, FleetKey


class CeleryClient:
    """Enqueues attempts and orders their processes to be ended, signed with `key`; consumes nothing."""

    def __init__(self, broker: str, key: FleetKey = NO_KEY) -> None:
        address = address_of(broker)
        self._app = OwnBroker("gurukul", loader=InstalledLoader, fixups=[])
        self._app.conf.update(
            **address.celery_settings(),
            broker_transport="schemas.redis.celery_transport:Transport",
            task_serializer="json",
            task_ignore_result=True,
            task_create_missing_queues=True,
            broker_transport_options=transport_options(address)
            | {
                "socket_timeout": 30,
                "socket_connect_timeout": 5,
                "priority_steps": [0],
                KEY: key,
            },
        )

    def send(self, work: Sequence[tuple[Work, str]]) -> None:
        """Enqueue attempts, each on the queue of its device, in one round trip.

        RedisError or ConnectionError without a broker; delivery is uncertain then, for each of them. Flower shows them
        by symbol and window.
        """
        try:
            with self._app.producer_pool.acquire(block=True) as producer, producer.batch():
                for task, device in work:
                    self._enqueue(task, device, producer)
        except KombuError as error:
            if isinstance(error.__cause__, RedisError):
                raise error.__cause__ from None
            raise ConnectionError(f"the broker does not take work: {error}") from error

    def _enqueue(self, task: Work, device: str, producer: Producer) -> None:
        name = work_name(task)
        self._app.send_task(
            TASK_NAMES[task.role],
            kwargs={"message": task.model_dump(mode="json")},
            queue=device,
            task_id=str(AttemptId(task.run_id, task.role, name, task.attempt)),
            argsrepr=f"({name})",
            kwargsrepr=repr(_shown(task) | {"role": str(task.role), "device": device, "run": task.run_id}),
            producer=producer,
            retry=False,
        )

    def kill(self, identity: str, device: str) -> None:
        """End the process that runs an attempt; the worker starts another. ConnectionError if the broker is gone."""
        try:
            self._app.control.revoke(identity, terminate=True, signal="SIGKILL", destination=[device])
        except KombuError as error:
            raise ConnectionError(f"the broker does not pass on orders: {error}") from error

    def close(self) -> None:
        """Close the connections to the broker."""
        self._app.close()


def _shown(task: Work) -> dict[str, str | int]:
    """Keyword arguments under which Flower lists a piece of work, so that `kwargs:symbol=AAPL` finds it."""
    if isinstance(task, WindowTask):
        return {"symbol": task.window.symbol, "window": task.window.label, "attempt": task.attempt}
    name = "symbol" if isinstance(task, IngestTask) else "name"
    return {name: work_name(task), "attempt": task.attempt}
