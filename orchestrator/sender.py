"""Hand an attempt to a device's queue, by task name: the worker's code is never imported here."""

from celery import Celery
from kombu.exceptions import OperationalError

from schemas.messages import TASK_NAMES, IngestTask, RunTask, WindowTask, work_name
from schemas.wire import attempt_id


class Sender:
    """A Celery client that only sends."""

    def __init__(self, broker: str) -> None:
        self._app = Celery("gurukul", broker=broker)
        self._app.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            task_create_missing_queues=True,
            broker_transport_options={
                "visibility_timeout": 86400,
                "socket_timeout": 30,
                "socket_connect_timeout": 5,
                "priority_steps": [0],
                "client_name": "gurukul-orchestrator",
            },
        )

    def send(self, task: IngestTask | WindowTask | RunTask, device: str) -> None:
        """Enqueue one attempt on the queue of `device`; ConnectionError if the broker is gone.

        Flower shows it by symbol and window.
        """
        name = work_name(task)
        try:
            self._app.send_task(
                TASK_NAMES[task.role],
                kwargs={"message": task.model_dump(mode="json")},
                queue=device,
                task_id=attempt_id(task.run_id, task.role, name, task.attempt),
                argsrepr=f"({name})",
                kwargsrepr=repr({"role": str(task.role), "name": name, "attempt": task.attempt, "device": device}),
            )
        except OperationalError as error:
            raise ConnectionError(f"the broker does not take work: {error}") from None

    def kill(self, identity: str, device: str) -> None:
        """End the process that runs an attempt; the worker starts another. ConnectionError if the broker is gone."""
        try:
            self._app.control.revoke(identity, terminate=True, signal="SIGKILL", destination=[device])
        except OperationalError as error:
            raise ConnectionError(f"the broker does not pass on orders: {error}") from None

    def close(self) -> None:
        self._app.close()
