"""Devices online and the content of their queues, on a real server, with a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis

from orchestrator.dispatch import broker_fleet
from orchestrator.dispatch.broker_fleet import BrokerFleet, withdraw
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.fleet import REFRESH_S
from orchestrator.dispatch.presence_reader import GONE_S, LONGEST_STEP_S, PresenceReader
from schemas.contract.device import Device, DeviceKind
from schemas.contract.presence import Presence
from schemas.contract.task import Outcome, Role, RunTask, Status
from schemas.redis.attempt_id import AttemptId
from schemas.redis.attempts import report
from schemas.redis.keys import outcomes_stream
from schemas.redis.presences import beat as heartbeat
from schemas.redis.presences import release, reserve, sign_off


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sender(server: str, redis: Redis) -> Iterator[CeleryClient]:
    opened = CeleryClient(server)
    yield opened
    opened.close()


def send(sender: CeleryClient, device: str, *runs: str, attempt: int = 1) -> list[str]:
    """Send one message per run; returns their ids."""
    tasks = [RunTask(run_id=run, attempt=attempt, role=Role.AUDIT) for run in runs]
    sender.send([(task, device) for task in tasks])
    return [str(AttemptId(run, Role.AUDIT, run, attempt)) for run in runs]


def beat(redis: Redis, *names: str) -> None:
    for name in names:
        device = Device(name=name, kind=DeviceKind.CPU, slots=1)
        presence = Presence(device=device, host="h", pid=1, since=datetime.now(UTC))
        heartbeat(redis, presence)


def look(reader: PresenceReader, clock: Clock, after_s: float = REFRESH_S) -> list[str]:
    """The devices that are online `after_s` seconds after the last look."""
    clock.now += after_s
    found = reader.look()
    assert found is not None
    return sorted(found.present)


def test_a_device_is_there_from_its_first_heartbeat(redis: Redis) -> None:
    """A device is online from its first heartbeat, with all fields of the heartbeat."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    assert look(reader, clock) == []
    beat(redis, "d1", "d0")
    clock.now += REFRESH_S
    found = reader.look()
    assert found is not None and list(found.present) == ["d0", "d1"]
    assert found.present["d0"].device.slots == 1


def test_a_look_is_taken_every_half_second_at_most(redis: Redis) -> None:
    """A look that comes too early reads nothing and proves nothing."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    look(reader, clock)
    beat(redis, "d0")
    clock.now += REFRESH_S / 2
    assert reader.look() is None
    clock.now += REFRESH_S / 2
    found = reader.look()
    assert found is not None and (found.seconds, list(found.present)) == (REFRESH_S, ["d0"])


def test_a_device_is_kept_for_two_seconds_of_absence(redis: Redis) -> None:
    """A device stays until looks have missed it for longer than GONE_S; one heartbeat restarts the count."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    beat(redis, "d0")
    look(reader, clock)
    for _ in range(2):
        sign_off(redis, "d0")
        for _ in range(int(GONE_S / REFRESH_S)):
            assert look(reader, clock) == ["d0"]
        beat(redis, "d0")
        assert look(reader, clock) == ["d0"]
    sign_off(redis, "d0")
    seen = [look(reader, clock) for _ in range(int(GONE_S / REFRESH_S) + 1)]
    assert seen == [["d0"]] * (len(seen) - 1) + [[]]


def test_time_without_looks_proves_nothing(redis: Redis) -> None:
    """After a minute without a look, a device that is missed has been missed for a second at most."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    beat(redis, "d0", "d1")
    look(reader, clock)
    sign_off(redis, "d0")
    clock.now += 60.0
    found = reader.look()
    assert found is not None and (found.seconds, sorted(found.present)) == (LONGEST_STEP_S, ["d0", "d1"])
    beat(redis, "d0")
    assert look(reader, clock) == ["d0", "d1"]


def test_only_a_new_heartbeat_covers_time(redis: Redis) -> None:
    """The heartbeat that a device sends next covers the time since its last one; until then nothing is covered."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    beat(redis, "d0")
    look(reader, clock)
    covered = []
    for number in range(4):
        if number == 2:
            beat(redis, "d0")
        clock.now += REFRESH_S
        found = reader.look()
        assert found is not None
        covered.append(dict(found.covered_s))
    assert covered == [{}, {}, {"d0": 3 * REFRESH_S}, {}]


def test_a_look_has_the_reservations(redis: Redis) -> None:
    """`reserved` names, for each device that is reserved, the run that reserved it."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    beat(redis, "d0")
    reserve(redis, "d0", "another")
    for expected in ({"d0": "another"}, {}):
        clock.now += REFRESH_S
        found = reader.look()
        assert found is not None and found.reserved == expected
        release(redis, "d0")


def test_a_device_that_missed_a_heartbeat_stays_reserved(redis: Redis) -> None:
    """While a device is kept as online without a heartbeat, its reservation by another run counts."""
    clock = Clock()
    reader = PresenceReader(redis, clock)
    beat(redis, "d0")
    reserve(redis, "d0", "another")
    for _ in range(2):
        clock.now += REFRESH_S
        found = reader.look()
        assert found is not None and (list(found.present), found.reserved) == (["d0"], {"d0": "another"})
        sign_off(redis, "d0")


def test_a_queue_holds_what_was_sent_there(redis: Redis, sender: CeleryClient) -> None:
    """The ids in a device's queue are those of the attempts that were sent there, and no other device's."""
    here, there = send(sender, "d0", "r", "s"), send(sender, "d1", "t")
    found = BrokerFleet("r", redis, sender).queued(["d0", "d1", "d2"])
    assert found == {"d0": set(here), "d1": set(there), "d2": set()}


def test_only_what_begins_with_the_prefix_is_withdrawn(redis: Redis, sender: CeleryClient) -> None:
    """A run's messages are removed from the named queues, whatever stands between them; all others stay in order."""
    send(sender, "d0", "r", "r2", "r", "s", "r")
    send(sender, "d1", "r")
    withdraw(redis, ["d0", "d9"], "r/")
    assert BrokerFleet("r", redis, sender).queued(["d0"])["d0"] == {"r2/audit/r2/1", "s/audit/s/1"}
    assert redis.llen("d0") == 2
    assert redis.llen("d1") == 1


def test_one_attempt_is_withdrawn_and_not_the_next(redis: Redis, sender: CeleryClient) -> None:
    """Withdrawing an attempt by its id leaves every other attempt at the same work."""
    (first,) = send(sender, "d0", "r", attempt=1)
    (second,) = send(sender, "d0", "r", attempt=2)
    withdraw(redis, ["d0"], first)
    assert BrokerFleet("r", redis, sender).queued(["d0"])["d0"] == {second}


def test_outcomes_that_were_taken_leave_the_stream(
    redis: Redis, sender: CeleryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is read once; of those that the caller has had, about as many stay as a node of the stream holds."""
    monkeypatch.setattr(broker_fleet, "MOST_READ", 300)
    names, fleet = [f"w{number}" for number in range(1000)], BrokerFleet("r", redis, sender)
    for name in names:
        done = Outcome(
            run_id="r", role=Role.TEACHER, name=name, attempt=1, device="d0", status=Status.SUCCESS, duration_seconds=1
        )
        report(redis, "r", done.model_dump_json())
    seen: list[str] = []
    while found := [outcome.name for outcome in fleet.outcomes(wait=False)]:
        seen += found
        assert redis.xlen(outcomes_stream("r")) >= len(names) - len(seen)
    assert seen == names
    assert redis.xlen(outcomes_stream("r")) < 600
    fleet.look()
    assert not list(fleet.outcomes(wait=False))
