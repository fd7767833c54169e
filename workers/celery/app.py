"""The Celery application of a worker: one queue, spawned children, no copies in the broker, JSON alone.

The orchestrator supervises attempts itself: an attempt that no heartbeat names is sent again. So the broker keeps no
copy to redeliver by its own clock, and each message costs two round trips less.
"""

import logging
import os
import signal

from celery.signals import celeryd_after_setup, celeryd_init, setup_logging, worker_process_init

from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugins_of_environment
from schemas.redis.celery_loader import InstalledLoader, OwnBroker
from schemas.redis.celery_transport import transport_options
from schemas.redis.client import BROKER_ENV, address_of
from schemas.terminal.quick_import import quick_import
from workers.celery.desk import RECEIVED_PER_SLOT
from workers.celery.logs import set_up_logs
from workers.celery.parent_watch import watch_parent
from workers.celery.presence import PresenceStep
from workers.devices.pinning import current_device, refuse_wrong_cuda, refuse_wrong_device
from workers.plugins.call_note import keep_note

address = address_of(os.environ.get(BROKER_ENV, "redis://127.0.0.1:6379/0"))
app = OwnBroker(
    "gurukul",
    include=["workers.celery.tasks"],
    loader=InstalledLoader,
    fixups=[],
)
app.conf.update(
    **address.celery_settings(),
    broker_transport="workers.celery.transport:Transport",
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    task_create_missing_queues=True,
    worker_consumer="workers.celery.consumer:Consumer",
    worker_pool="workers.celery.pool:Pool",
    worker_pool_start_method="spawn",
    worker_proc_alive_timeout=120.0,
    # Celery waits ten seconds for the result of a process that died; outcomes do not come from Celery here.
    worker_lost_wait=0.5,
    worker_prefetch_multiplier=RECEIVED_PER_SLOT,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_send_task_events=False,
    worker_redirect_stdouts=False,
    broker_transport_options=transport_options(address)
    | {
        "ack_emulation": False,
        "health_check_interval": 10,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "priority_steps": [0],
    },
)
app.steps["consumer"].add(PresenceStep)


@setup_logging.connect
def _log(loglevel: int, **_: object) -> None:
    """Set up logging in the worker and in each pool child, instead of Celery's own handlers."""
    set_up_logs(loglevel)


@celeryd_after_setup.connect
def _keep_children_quiet(**_: object) -> None:
    """Keep a spawned child from printing lines in Celery's format before `_log` is called in it."""
    os.environ["_MP_FORK_LOGLEVEL_"] = ""


@celeryd_init.connect
def _prepare_worker(**_: object) -> None:
    """In the worker: end with its parent, log, and refuse a device that is not the one it was started for."""
    watch_parent()
    try:
        set_up_logs(logging.INFO)
        refuse_wrong_device(current_device())
    except RequestError as error:
        # Celery logs and forgets an Exception that a signal's receiver raises.
        raise SystemExit(str(error)) from None


@worker_process_init.connect
def _prepare_child(**_: object) -> None:
    """In each pool child, before its first task: end with the worker, check the device, import the learning stack."""
    watch_parent()
    try:
        refuse_wrong_cuda(current_device())
    except RequestError as error:
        # The worker would only start another such child; its supervisor waits longer each time.
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(str(error)) from None
    if plugins_of_environment():
        keep_note()
    with quick_import():
        import workers.handlers.execute  # noqa: F401
