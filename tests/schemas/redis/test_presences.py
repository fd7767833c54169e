"""Heartbeats on a real server: they are read without a scan, expire by the server's clock, and leave no key behind."""

import time
from datetime import UTC, datetime

from redis import Redis

from schemas.contract.device import Device, DeviceKind
from schemas.contract.presence import Presence, expiry_s
from schemas.redis.keys import CORDONED, DEVICES, PRESENCES
from schemas.redis.presences import beat, cordon, read_presences, read_standing, release, reserve, sign_off, uncordon
from tests.waiting import wait_for

CLOCK_S = 0.01  # two readings of one clock, rounded


def presence(name: str, pid: int = 1) -> Presence:
    """A heartbeat of a device."""
    return Presence(device=Device(name=name, kind=DeviceKind.CPU, slots=1), host="h", pid=pid, since=datetime.now(UTC))


def test_the_last_heartbeat_of_each_device_is_read(redis: Redis) -> None:
    """Devices come in order of their names, each with its newest heartbeat, as it was written."""
    for each in (presence("d1"), presence("d0"), presence("d1", pid=2)):
        began = time.time()
        assert began - CLOCK_S <= beat(redis, each) <= time.time() + CLOCK_S  # the clock of the server
    found = read_presences(redis)
    assert [(name, each.pid) for name, each in found.items()] == [("d0", 1), ("d1", 2)]


def test_a_slow_link_makes_a_heartbeat_valid_for_longer() -> None:
    """Four round trips longer, five seconds at most."""
    assert [expiry_s(each) for each in (0.0, 0.25, 60.0)] == [5.0, 6.0, 10.0]


def test_a_silent_device_disappears_while_others_stay(redis: Redis) -> None:
    """A heartbeat that has expired is not read any more, and the next one of any device removes it."""
    beat(redis, presence("d0"), expiry_s=0.05)
    beat(redis, presence("d1"))
    wait_for(lambda: list(read_presences(redis)) == ["d1"], "the expiry of d0")
    beat(redis, presence("d1"))
    assert redis.zrange(DEVICES, 0, -1) == [b"d1"] == redis.hkeys(PRESENCES)


def test_without_a_live_device_nothing_is_stored(redis: Redis) -> None:
    """Both keys expire with the last heartbeat; an earlier expiry does not cut short a later one."""
    beat(redis, presence("d0"), expiry_s=1.0)
    beat(redis, presence("d1"), expiry_s=0.05)
    assert redis.pttl(DEVICES) > 50
    wait_for(lambda: not redis.exists(DEVICES, PRESENCES), "the expiry of both keys")
    assert read_presences(redis) == {}


def test_a_device_that_signs_off_is_gone_at_once(redis: Redis) -> None:
    """Signing off removes one device and no other, and may be repeated."""
    for name in ("d0", "d1"):
        beat(redis, presence(name))
    for _ in range(2):
        sign_off(redis, "d0")
        assert list(read_presences(redis)) == ["d1"]


def test_reading_asks_for_nothing_else(redis: Redis) -> None:
    """A look at the fleet costs three commands, however many keys of others the broker holds."""
    redis.mset({f"foreign:{number}": "x" for number in range(5000)})
    beat(redis, presence("d0"))
    before = redis.info("commandstats")
    there = read_presences(redis)
    read_standing(redis, there)
    after = redis.info("commandstats")
    calls = {
        name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after if "info" not in name
    }
    assert calls.get("cmdstat_scan", 0) == calls.get("cmdstat_keys", 0) == 0
    assert (calls["cmdstat_eval"], calls["cmdstat_mget"], calls["cmdstat_smembers"]) == (1, 1, 1)


def test_reservations_are_read_for_the_devices_asked_for(redis: Redis) -> None:
    """A reservation names its run, expires with a heartbeat's expiry, and ends when it is released."""
    reserve(redis, "d0", "r")
    reserve(redis, "d2", "s")
    assert read_standing(redis, ["d1", "d0"])[0] == {"d0": "r"}
    assert read_standing(redis, [])[0] == {}
    assert 0 < redis.pttl("alone:d0") <= 5000
    release(redis, "d0")
    assert read_standing(redis, ["d0", "d2"])[0] == {"d2": "s"}


def test_a_device_is_cordoned_until_it_is_uncordoned(redis: Redis) -> None:
    """Cordons are read with the reservations; a key of another type holds none."""
    cordon(redis, ["d0", "d1"])
    assert read_standing(redis, ["d9"]) == ({}, {"d0", "d1"})
    uncordon(redis, ["d0", "d1"])
    assert redis.keys("*") == []
    redis.set(CORDONED, "x")
    assert read_standing(redis, ["d9"]) == ({}, set())
