"""Supervise one worker process per device: started pinned, restarted when it dies, ended with this process."""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from schemas.config.bars import LogFormat
from schemas.contract.child_process import module_command, safe_environment
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.folders import FOLDERS_ENV, Folders
from schemas.contract.machine import machine_part, this_machine
from schemas.contract.presence import PRESENCE_EXPIRY_S, Presence
from schemas.contract.process import still_runs
from schemas.files.log_lines import LOG_FORMAT_ENV
from schemas.redis.client import BROKER_ENV, connect
from schemas.redis.connection_fault import broker_fault
from schemas.redis.device_names import EXPIRY_S, KEPT_EVERY_S, Server, keep_names, leave_name, take_name
from schemas.redis.presences import read_presences, sign_off
from schemas.redis.writes import trouble
from workers.devices.failed_starts import REPORT_ENV, Report, WorkersFailed, remedy
from workers.devices.pinning import PARENT_ENV, pinned_environment

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_S = 60.0
# Seconds that windows may continue after a stop of workers that belong to one run: it needs them no more.
TIED_DRAIN_S = 5.0
MOST_FAILED_STARTS = 4

# Exit codes of a process that something outside has ended.
OUTSIDE_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)

TEMPORARY_PREFIX = "gurukul-workers-"


@dataclass
class Worker:
    """The worker process of a device, and when to start it again; times are of the monotonic clock, in seconds."""

    device: Device
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    due: float = 0.0
    # Starts in a row that ended by themselves with nothing done, and the exit code of the last.
    failed: int = 0
    code: int = 0


@dataclass(frozen=True)
class Logging:
    """How workers log: each appends to `folder`/DEVICE.log, or without a folder to this process's stdout."""

    level: str
    format: LogFormat
    folder: Path | None


def supervise(
    devices: list[Device],
    folders: Folders,
    broker: str,
    stop: threading.Event,
    logs: Logging,
    *,
    tied: bool,
    drain_s: float,
) -> None:
    """Keep one worker per device, limited to `folders`, running until `stop` is set; then end it in `drain_s`.

    Workers that end are started again for ever. Only those of one run (`tied`) are given up, with WorkersFailed, if
    several starts in a row of each ended no attempt within `STEADY_S`. RequestError if the broker does not answer,
    or if another process of this machine serves one of the devices. Beside another machine of this host name, also one
    that takes a name while this process does not reach the broker, names get a part of this machine's own.
    """
    devices, kept = _unserved(devices, broker, stop), time.monotonic()
    workers = [Worker(device) for device in devices]
    with _temporary_folder() as temporary:
        variables = {
            BROKER_ENV: broker,
            LOG_FORMAT_ENV: logs.format,
            FOLDERS_ENV: folders.model_dump_json(),
            "TMPDIR": temporary,
        }
        try:
            while not stop.wait(0.2):
                for worker in workers:
                    _start_or_restart(worker, variables, logs)
                if time.monotonic() - kept > KEPT_EVERY_S:
                    kept = time.monotonic()
                    if why := _lost_names(devices, broker):
                        # The orchestrator has taken their attempts for lost; the other machine's count.
                        _leave_names(devices, broker)
                        _end(workers, TIED_DRAIN_S)
                        devices = _unserved(_renamed(devices, why), broker, stop)
                        workers = [Worker(device) for device in devices]
                if tied and all(worker.failed >= MOST_FAILED_STARTS for worker in workers):
                    raise _failure(workers[0], _report(workers[0], variables).error())
        finally:
            _leave_names(devices, broker)
            _end(workers, TIED_DRAIN_S if tied else drain_s)


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """Folder for temporary files of workers; removed here or, if this process is killed, by the next supervisor."""
    for path in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        if not still_runs(int(path.name.removeprefix(TEMPORARY_PREFIX).split("-")[0])):
            shutil.rmtree(path, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=f"{TEMPORARY_PREFIX}{os.getpid()}-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start_or_restart(worker: Worker, variables: dict[str, str], logs: Logging) -> None:
    now, about = time.monotonic(), {"device": worker.device.name}
    if worker.process is None:
        if now >= worker.due:
            _report(worker, variables).begin()
            worker.process, worker.started = _start(worker.device, variables, logs), now
            logger.info("worker %s started, pid %d", worker.device.name, worker.process.pid, extra=about)
        return
    code = worker.process.poll()
    if code is None:
        return
    steady = now - worker.started > STEADY_S
    worker.backoff_s = FIRST_BACKOFF_S if steady else worker.backoff_s
    worker.code = code
    if steady or _report(worker, variables).has_worked():
        worker.failed = 0
    elif code not in OUTSIDE_SIGNALS:
        worker.failed += 1
    error = _report(worker, variables).error()
    reason = f": {error}; {remedy(error)}" if error else ""
    logger.warning(
        "worker %s ended with %d%s; starting again in %.0f s",
        worker.device.name, code, reason, worker.backoff_s, extra=about,
    )  # fmt: skip
    _sign_off(worker.device, variables[BROKER_ENV])
    worker.process, worker.due = None, now + worker.backoff_s
    worker.backoff_s = min(worker.backoff_s * 2, LONGEST_BACKOFF_S)


def _report(worker: Worker, variables: dict[str, str]) -> Report:
    return Report(str(Path(variables["TMPDIR"]) / worker.device.name))


def _failure(worker: Worker, error: str) -> WorkersFailed:
    """Why no worker works, by the example of one."""
    reason = error or "no error was logged"
    return WorkersFailed(
        f"{worker.device.name} was started {worker.failed} times and got nothing done; the last start ended with"
        f" {worker.code}: {reason}; {remedy(reason)}"
    )


def _sign_off(device: Device, broker: str) -> None:
    """Remove a dead worker's presence, which would otherwise last until it expires."""
    try:
        with connect(broker, timeout_s=2.0) as redis:
            sign_off(redis, device.name)
    except RedisError as error:
        logger.warning("could not sign %s off, as the broker %s", device.name, trouble(error))


def _start(device: Device, variables: dict[str, str], logs: Logging) -> subprocess.Popen[bytes]:
    with ExitStack() as stack:
        output = stack.enter_context((logs.folder / f"{device.name}.log").open("ab")) if logs.folder else None
        return subprocess.Popen(
            module_command("workers.celery", device.name, "--loglevel", logs.level),
            env=safe_environment()
            | pinned_environment(device)
            | variables
            | {PARENT_ENV: str(os.getpid()), REPORT_ENV: str(Path(variables["TMPDIR"]) / device.name)},
            stdin=subprocess.DEVNULL,
            stdout=output,
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
    logger.info("ending %d workers; they have %.0f s to finish", len(running), drain_s)
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + drain_s
    for process in running:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class Obstacle:
    """Why devices cannot be served now; `is_twin`: another machine of this host name serves one."""

    text: str
    is_twin: bool = False


def _unserved(devices: list[Device], broker: str, stop: threading.Event) -> list[Device]:
    """The devices, under names that no other machine uses, which this process has taken.

    RequestError if no broker answers, or another process of this machine serves one of the devices, for
    PRESENCE_EXPIRY_S: so long the last heartbeat of a container that was replaced is there. Its names are kept for
    EXPIRY_S.
    """
    began = time.monotonic()
    with connect(broker, timeout_s=3.0) as redis:
        while (obstacle := _obstacle(devices, broker, redis)) and not stop.wait(0.2):
            if time.monotonic() <= began + (EXPIRY_S if obstacle.is_twin else PRESENCE_EXPIRY_S):
                continue
            if not obstacle.is_twin:
                raise RequestError(obstacle.text)
            devices = _renamed(devices, obstacle.text)
    return devices


def _renamed(devices: list[Device], why: str) -> list[Device]:
    """The devices under names that end in a part of this machine's own; RequestError, saying why, if theirs do."""
    end = f"-{machine_part()}"
    if any(device.name.endswith(end) for device in devices):
        raise RequestError(why)
    logger.warning("%s; the names here end in %s", why, end)
    return [device.model_copy(update={"name": f"{device.name}{end}"}) for device in devices]


def _leave_names(devices: list[Device], broker: str) -> None:
    with suppress(RedisError), connect(broker, timeout_s=2.0) as redis:
        for device in devices:
            leave_name(redis, device.name)


def _obstacle(devices: list[Device], broker: str, redis: Redis) -> Obstacle | None:
    """Why the devices cannot be served now; None if they can, and this process has taken their names."""
    taken: list[str] = []
    try:
        for device in devices:
            if (other := take_name(redis, device.name)) is not None:
                return _twin(device.name, other) if other.is_elsewhere else _served(device.name, other.pid)
            taken.append(device.name)
        why = _served_already(devices, read_presences(redis))
        taken = taken if why else []
        return why
    except RedisError as error:
        return Obstacle(broker_fault(error, broker))
    finally:
        with suppress(RedisError):
            for name in taken:
                leave_name(redis, name)


def _served(device: str, pid: int) -> Obstacle:
    return Obstacle(f"device {device} is served by process {pid}; stop it, or choose other --devices")


def _served_already(devices: list[Device], present: Mapping[str, Presence]) -> Obstacle | None:
    """Who serves one of the devices, by its heartbeat; None if none is served."""
    for device in devices:
        if (other := present.get(device.name)) is None:
            continue
        if _is_elsewhere(other):
            return _twin(device.name, other)
        if still_runs(other.pid, other.since.timestamp()):
            return _served(device.name, other.pid)
    return None


def _lost_names(devices: list[Device], broker: str) -> str:
    """Keep the names; returns which another machine has taken, while the broker was out of reach for long.

    RequestError if another process of this machine has taken one.
    """
    with suppress(RedisError), connect(broker, timeout_s=2.0) as redis:
        for name, other in keep_names(redis, [device.name for device in devices]).items():
            if not other.is_elsewhere:
                raise RequestError(_served(name, other.pid).text)
            return f"{_twin(name, other).text}, which took its name while this one did not reach the broker"
    return ""


def _is_elsewhere(presence: Presence) -> bool:
    return presence.machine not in ("", this_machine())


def _twin(device: str, other: Presence | Server) -> Obstacle:
    where = f"process {other.pid} of another machine or container named {other.host}"
    return Obstacle(f"device {device} is served by {where}", is_twin=True)
