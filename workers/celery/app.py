"""The Celery application of a worker: one queue, spawned children, no copies in the broker, JSON alone.

The orchestrator supervises attempts itself: what a worker loses is sent again because nobody says that they hold it.
So the broker keeps no copy to redeliver by its own clock, and each message costs two round trips less.
"""

import logging
import os
import signal
from typing import Any

from celery import Celery
from celery.exceptions import WorkerLostError
from celery.signals import celeryd_after_setup, celeryd_init, setup_logging, task_failure, worker_process_init

from schemas.contract.errors import RequestError
from schemas.redis.celery_loader import InstalledLoader
from schemas.redis.client import BROKER_ENV
from workers.celery.logs import follow_logs
from workers.celery.parent_watch import follow_parent
from workers.celery.presence import PresenceStep
from workers.devices.pinning import current_device, refuse_wrong_cuda, refuse_wrong_device
from workers.handlers.report import report_lost

app = Celery(
    "gurukul",
    broker=os.environ.get(BROKER_ENV, "redis://127.0.0.1:6379/0"),
    include=["workers.celery.tasks"],
    loader=InstalledLoader,
    fixups=[],
)
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_create_missing_queues=True,
    worker_consumer="workers.celery.consumer:Consumer",
    worker_pool="prefork",
    worker_pool_start_method="spawn",
    worker_proc_alive_timeout=120.0,
    # Celery waits ten seconds for a result of a process that it saw die; outcomes here go another way.
    worker_lost_wait=0.5,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=False,
    worker_redirect_stdouts=False,
    broker_transport_options={
        "ack_emulation": False,
        "health_check_interval": 10,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "priority_steps": [0],
        "client_name": "gurukul-worker",
    },
)
app.steps["consumer"].add(PresenceStep)


@setup_logging.connect
def _log(loglevel: int, **_: object) -> None:
    """Instead of Celery's own handlers, in the worker and in each pool child."""
    follow_logs(loglevel)


@celeryd_after_setup.connect
def _keep_children_quiet(**_: object) -> None:
    """A spawned child would print its first lines in a format of its own, before it comes to `_log`."""
    os.environ["_MP_FORK_LOGLEVEL_"] = ""


@celeryd_init.connect
def _begin(**_: object) -> None:
    follow_parent()
    try:
        follow_logs(logging.INFO)
        refuse_wrong_device(current_device())
    except RequestError as error:
        # Celery logs and forgets an Exception that a signal's receiver raises.
        raise SystemExit(str(error)) from None


@task_failure.connect
def _tell_of_a_lost_child(task_id: str, exception: BaseException, kwargs: dict[str, Any], **_: object) -> None:
    """In the worker itself: its pool child died with an attempt in hand and can tell nobody."""
    if isinstance(exception, WorkerLostError):
        report_lost(kwargs["message"], f"its process ended: {exception}")


@worker_process_init.connect
def _warm_up(**_: object) -> None:
    """In each pool child, before its first task: follow the worker, be on its device, import the learning stack."""
    follow_parent()
    try:
        refuse_wrong_cuda(current_device())
    except RequestError as error:
        # The worker would only start another such child; its supervisor waits longer each time.
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(str(error)) from None
    import workers.handlers.execute  # noqa: F401
