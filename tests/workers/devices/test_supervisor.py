"""The supervisor starts workers once the broker answers and no other process serves its devices."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.contract.folders import Folders
from schemas.contract.machine import machine_part, this_machine
from schemas.contract.presence import Presence
from schemas.contract.process import still_runs
from schemas.redis import device_names
from schemas.redis.device_names import Server, keep_names, leave_name, take_name
from schemas.redis.keys import served_key
from schemas.redis.presences import beat, read_presences, sign_off
from tests.doubles.playing import Breakable
from workers.devices import supervisor
from workers.devices.failed_starts import Report, WorkersFailed
from workers.devices.supervisor import Logging, supervise

DEVICE = Device(name="cpu0@test", kind=DeviceKind.CPU, slots=1)
FOLDERS = Folders(data_dir="/nowhere")


class Stop(threading.Event):
    """Stops the supervisor at its second wait; at the first it calls `action`."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action, self.waits = action, 0

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once: False after `action`, then True."""
        self.waits += 1
        if self.waits == 1:
            self._action()
        return self.waits > 1


def supervised(broker: str, stop: threading.Event) -> None:
    """Supervise until the stop, which comes before a worker is started."""
    supervise([DEVICE], FOLDERS, broker, stop, Logging("INFO", "text", None), tied=True, drain_s=1.0)


def test_a_broker_that_restarts_is_waited_for() -> None:
    """A supervisor that starts while the broker is away tries again, and continues as soon as it answers."""
    with embedded.server() as url:
        broker = Breakable(url)
        broker.take_away()
        stop = Stop(broker.bring_back)
        supervised(url, stop)
        assert stop.waits == 2


def test_a_broker_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PRESENCE_EXPIRY_S without an answer the error names what to do."""
    monkeypatch.setattr(supervisor, "PRESENCE_EXPIRY_S", 0.0)
    with pytest.raises(RequestError, match=r"broker redis://127.0.0.1:1/0 does not answer .*; start it, or correct"):
        supervised("redis://127.0.0.1:1/0", Stop(lambda: None))


def test_a_device_that_another_process_serves_is_waited_for(redis: Redis, server: str) -> None:
    """A device is free once the other process has signed off."""
    other = Presence(device=DEVICE, host="h", pid=os.getpid(), since=datetime.now(UTC))
    beat(redis, other)
    stop = Stop(lambda: sign_off(redis, DEVICE.name))
    supervised(server, stop)
    assert stop.waits == 2


def test_a_device_that_another_process_keeps_is_an_error(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After PRESENCE_EXPIRY_S the error names the device and the process."""
    monkeypatch.setattr(supervisor, "PRESENCE_EXPIRY_S", 0.0)
    beat(redis, Presence(device=DEVICE, host="h", pid=os.getpid(), since=datetime.now(UTC)), expiry_s=60)
    with pytest.raises(RequestError, match=f"cpu0@test is served by process {os.getpid()}; stop it"):
        supervised(server, Stop(lambda: None))


def twin(since: datetime) -> Presence:
    """The heartbeat of this device's namesake on another machine, where this process id exists too."""
    return Presence(device=DEVICE, host="test", pid=os.getpid(), machine="another", since=since)


def names_started(server: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the devices whose workers a supervisor starts; it stops once it has started one."""
    started: list[str] = []
    stop = threading.Event()

    def start(device: Device, variables: dict[str, str], logs: Logging) -> subprocess.Popen[bytes]:
        started.append(device.name)
        stop.set()
        return subprocess.Popen(["sleep", "60"])

    monkeypatch.setattr(supervisor, "_start", start)
    supervised(server, stop)
    return started


def test_a_second_machine_of_one_name_takes_names_of_its_own(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process ids mean nothing here: if the other one's heartbeat stays, the names here end in this machine's part.

    Both serve a queue of their own. A process of this machine that has that name already is an error.
    """
    monkeypatch.setattr(supervisor, "EXPIRY_S", 0.0)
    monkeypatch.setattr(supervisor, "PRESENCE_EXPIRY_S", 0.0)
    beat(redis, twin(datetime.now(UTC)).model_copy(update={"pid": 2**22 + 1}), expiry_s=60)
    started = names_started(server, monkeypatch)
    own = f"{DEVICE.name}-{machine_part()}"
    assert started == [own] and list(read_presences(redis)) == [DEVICE.name]
    served = DEVICE.model_copy(update={"name": own})
    beat(redis, Presence(device=served, host="test", pid=os.getpid(), machine=this_machine(), since=datetime.now(UTC)))
    with pytest.raises(RequestError, match=f"{own} is served by process {os.getpid()}; stop it"):
        supervised(server, threading.Event())


def namesake() -> str:
    """What a process on another machine of this host name writes that serves this device."""
    return Server(pid=os.getpid(), since=time.time(), machine="another", host="test").model_dump_json()


def test_of_two_machines_of_one_name_that_start_at_once_one_takes_another_name(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has taken the name and sent no heartbeat yet: both served one queue, and lost each other's windows."""
    monkeypatch.setattr(supervisor, "EXPIRY_S", 0.0)
    redis.set(served_key(DEVICE.name), namesake())
    started = names_started(server, monkeypatch)
    assert started == [f"{DEVICE.name}-{machine_part()}"]
    assert redis.keys("served:*") == [served_key(DEVICE.name).encode()], "a name of its own is left, another's stays"
    redis.delete(served_key(DEVICE.name))


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_machine_whose_name_another_has_taken_takes_another(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """It was cut off from the broker for long. If no other has taken the name meanwhile, it goes on and keeps it.

    Its worker of the old name ends first: its attempts have counted as lost since.
    """
    monkeypatch.setattr(supervisor, "KEPT_EVERY_S", 0.0)
    stop, keep = threading.Event(), keep_names
    started: list[tuple[str, subprocess.Popen[bytes]]] = []
    own = f"{DEVICE.name}-{machine_part()}" if is_taken else DEVICE.name
    kept: list[int] = []

    def start(device: Device, variables: dict[str, str], logs: Logging) -> subprocess.Popen[bytes]:
        assert all(each.poll() is not None for _, each in started)
        if not started:
            redis.delete(served_key(DEVICE.name))
            if is_taken:
                redis.set(served_key(DEVICE.name), namesake())
        started.append((device.name, subprocess.Popen(["sleep", "60"])))
        return started[-1][1]

    def keep_and_stop(redis: Redis, devices: list[str]) -> dict[str, Server]:
        others = keep(redis, devices)
        if devices == [own]:
            kept.append(redis.pttl(served_key(own)))
            stop.set()
        return others

    monkeypatch.setattr(supervisor, "_start", start)
    monkeypatch.setattr(supervisor, "keep_names", keep_and_stop)
    supervise([DEVICE], FOLDERS, server, stop, Logging("INFO", "text", None), tied=False, drain_s=1.0)
    assert [name for name, _ in started] == ([DEVICE.name, own] if is_taken else [DEVICE.name])
    assert kept[0] > 0 and all(each.poll() is not None for _, each in started)
    assert redis.keys("served:*") == ([served_key(DEVICE.name).encode()] if is_taken else [])
    redis.delete(served_key(DEVICE.name))


def test_of_two_that_start_at_once_the_first_serves_the_device(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither finds a heartbeat of the other yet: the second starts before the first has read any."""
    monkeypatch.setattr(supervisor, "PRESENCE_EXPIRY_S", 0.0)
    read, stop, started = read_presences, threading.Event(), list[str]()

    def read_after_another(redis: Redis) -> dict[str, Presence]:
        monkeypatch.setattr(supervisor, "read_presences", read)
        with pytest.raises(RequestError, match=f"cpu0@test is served by process {os.getpid()}; stop it"):
            supervised(server, stop)
        return read(redis)

    def start(device: Device, variables: dict[str, str], logs: Logging) -> subprocess.Popen[bytes]:
        started.append(device.name)
        stop.set()
        return subprocess.Popen(["sleep", "60"])

    monkeypatch.setattr(supervisor, "read_presences", read_after_another)
    monkeypatch.setattr(supervisor, "_start", start)
    supervised(server, stop)
    assert started == [DEVICE.name] and redis.keys("served:*") == []


def test_a_name_of_a_process_that_has_ended_is_free(redis: Redis) -> None:
    """Also one that cannot be read, or of this process's id in a container before; not that of a process which runs."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    key = served_key(DEVICE.name)
    since = psutil.Process().create_time() - 5.0
    here = {"machine": this_machine(), "host": "test"}
    starters = (Server(pid=ended.pid, since=time.time(), **here), Server(pid=os.getpid(), since=since, **here))
    for before in (*(each.model_dump_json() for each in starters), "no process"):
        redis.set(key, before)
        assert take_name(redis, DEVICE.name) is None
    other = take_name(redis, DEVICE.name)
    assert other is not None and other.pid == os.getpid() and redis.pttl(key) > 0
    leave_name(redis, DEVICE.name)
    assert take_name(redis, DEVICE.name) is None
    leave_name(redis, DEVICE.name)


def test_of_two_that_find_a_process_ended_the_first_has_its_name(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second writes nothing over it: the first would find its name lost, and both would end."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    key, here = served_key(DEVICE.name), {"since": time.time(), "machine": this_machine(), "host": "test"}
    before, first = (Server(pid=pid, **here).model_dump_json() for pid in (ended.pid, os.getppid()))
    redis.set(key, before)

    def look(pid: int, since: float) -> bool:
        redis.set(key, first)
        return still_runs(pid, since)

    monkeypatch.setattr(device_names, "still_runs", look)
    other = take_name(redis, DEVICE.name)
    assert other is not None and other.pid == os.getppid()
    assert redis.get(key) == first.encode()
    assert list(keep_names(redis, [DEVICE.name])) == [DEVICE.name] and redis.get(key) == first.encode()
    redis.delete(key)


def test_a_name_at_a_key_of_another_type_is_taken(redis: Redis) -> None:
    """Junk keeps no device from its work."""
    for call in (take_name, lambda redis, name: keep_names(redis, [name])):
        redis.delete(served_key(DEVICE.name))
        redis.rpush(served_key(DEVICE.name), "junk")
        assert not call(redis, DEVICE.name)
        assert redis.type(served_key(DEVICE.name)) == b"string"
    leave_name(redis, DEVICE.name)


def quickly(monkeypatch: pytest.MonkeyPatch, starts: int) -> None:
    """Start workers again at once, and give them up after `starts`."""
    monkeypatch.setattr(supervisor, "MOST_FAILED_STARTS", starts)
    monkeypatch.setattr(supervisor, "LONGEST_BACKOFF_S", 0.0)
    monkeypatch.setattr(supervisor.Worker, "backoff_s", 0.0)


def test_workers_that_never_work_are_given_up_with_their_own_error(
    redis: Redis, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without channels: a real worker sends heartbeats, then ends; the error names its reason and the remedy."""
    quickly(monkeypatch, 1)
    user: Any = redis
    user.execute_command("ACL", "SETUSER", "mute", "on", ">pw", "~*", "+@all", "resetchannels")
    url = f"redis://mute:pw@{server.rpartition('@')[2]}"
    try:
        with pytest.raises(WorkersFailed) as failed:
            supervise([DEVICE], FOLDERS, url, threading.Event(), Logging("INFO", "text", None), tied=True, drain_s=1.0)
    finally:
        user.execute_command("ACL", "DELUSER", "mute")
    assert failed.value.exit_code == 3
    for part in ("cpu0@test was started 1 times", "NoPermissionError", "channel", "ACL SETUSER NAME allchannels"):
        assert part in str(failed.value)


@pytest.mark.parametrize(
    ("code", "works", "tied", "given_up"),
    [
        (1, False, True, True),
        (1, True, True, False),
        (-signal.SIGKILL, False, True, False),
        (-signal.SIGSEGV, False, True, True),
        (1, False, False, False),
    ],
)
def test_who_is_started_again_for_ever(
    server: str, monkeypatch: pytest.MonkeyPatch, code: int, works: bool, tied: bool, given_up: bool
) -> None:
    """A worker that works after each start, one that something outside kills, and any worker of a shared fleet."""
    quickly(monkeypatch, 2)
    stop, started = threading.Event(), []
    end = f"kill -{-code} $$" if code < 0 else f"exit {code}"

    def start(device: Device, variables: dict[str, str], logs: Logging) -> subprocess.Popen[bytes]:
        started.append(device)
        if works:
            Report(f"{variables['TMPDIR']}/{device.name}").note_work()
        if len(started) == 5:
            stop.set()
        return subprocess.Popen(["sh", "-c", end])

    monkeypatch.setattr(supervisor, "_start", start)
    with pytest.raises(WorkersFailed) if given_up else nullcontext():
        supervise([DEVICE], FOLDERS, server, stop, Logging("INFO", "text", None), tied=tied, drain_s=1.0)
    assert len(started) == (2 if given_up else 5)
