"""The supervisor starts workers once the broker answers and no other process serves its devices."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.contract.presence import Presence
from schemas.redis.presences import beat, sign_off
from tests.doubles.playing import Breakable
from workers.devices import supervisor
from workers.devices.supervisor import Logging, supervise

DEVICE = Device(name="cpu0@test", kind=DeviceKind.CPU, slots=1)


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
    supervise([DEVICE], broker, stop, Logging("INFO", "text", None), drain_s=1.0)


def test_a_broker_that_restarts_is_waited_for() -> None:
    """A supervisor that starts while the broker is away tries again, and continues as soon as it answers."""
    with embedded.server() as url:
        broker = Breakable(url)
        broker.take_away()
        stop = Stop(broker.bring_back)
        supervised(url, stop)
        assert stop.waits == 2


def test_a_broker_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After PRESENCE_EXPIRY_S without an answer the error names the flag to check."""
    monkeypatch.setattr(supervisor, "PRESENCE_EXPIRY_S", 0.0)
    with pytest.raises(RequestError, match=r"broker does not answer: .*; check --broker"):
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
