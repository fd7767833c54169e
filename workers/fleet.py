"""One worker process a device, started pinned, restarted when it dies, all gone when this process is."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from schemas.device import Device
from schemas.errors import RequestError
from schemas.wire import BROKER_ENV, Presence, presence_key
from workers.devices import environment

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_S = 60.0


@dataclass
class Worker:
    """One device's process, and when to start it again."""

    device: Device
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    due: float = 0.0


def supervise(devices: list[Device], broker: str, stop: threading.Event, log_level: str, drain_s: float) -> None:
    """Keep one worker a device running until `stop` is set; then give them `drain_s` to finish what they run."""
    _refuse_doubles(devices, broker)
    workers = [Worker(device) for device in devices]
    try:
        while not stop.wait(0.2):
            for worker in workers:
                _tend(worker, broker, log_level)
    finally:
        _end(workers, drain_s)


def _tend(worker: Worker, broker: str, log_level: str) -> None:
    now = time.monotonic()
    if worker.process is None:
        if now >= worker.due:
            worker.process, worker.started = _start(worker.device, broker, log_level), now
            logger.info("worker %s started, pid %d", worker.device.name, worker.process.pid)
        return
    code = worker.process.poll()
    if code is None:
        return
    worker.backoff_s = FIRST_BACKOFF_S if now - worker.started > STEADY_S else worker.backoff_s
    logger.warning("worker %s ended with %d; starting again in %.0f s", worker.device.name, code, worker.backoff_s)
    worker.process, worker.due = None, now + worker.backoff_s
    worker.backoff_s = min(worker.backoff_s * 2, LONGEST_BACKOFF_S)


def _start(device: Device, broker: str, log_level: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "celery", "-A", "workers.app", "worker",
        "--hostname", device.name, "--queues", device.name, "--concurrency", str(device.slots),
        "--without-gossip", "--without-mingle", "--loglevel", log_level,
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        env=os.environ | environment(device) | {BROKER_ENV: broker},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        preexec_fn=_affinity_setter(device),
        start_new_session=True,
    )


def _affinity_setter(device: Device) -> Callable[[], None] | None:
    if not device.cpu_affinity or not hasattr(os, "sched_setaffinity"):
        return None
    cores = device.cpu_affinity
    return lambda: os.sched_setaffinity(0, cores)


def _end(workers: list[Worker], drain_s: float) -> None:
    running = [worker.process for worker in workers if worker.process is not None and worker.process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + drain_s
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _refuse_doubles(devices: list[Device], broker: str) -> None:
    try:
        with Redis.from_url(broker, socket_connect_timeout=3.0) as redis:
            for device in devices:
                value = redis.get(presence_key(device.name))
                if value and _alive(other := Presence.model_validate_json(value)):
                    raise RequestError(
                        f"device {device.name} is served by process {other.pid}; stop it, or use --no-local-workers"
                    )
    except RedisError as error:
        raise RequestError(f"broker does not answer: {error}; check --broker") from None


def _alive(other: Presence) -> bool:
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
