"""`orchestrator doctor`: each fault of a fleet is one line with its remedy, on real servers and stores."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from orchestrator.dispatch.needs import Needs
from orchestrator.runs.doctor import device_checks
from schemas.contract.check import Check, CheckState
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence, StoreUse
from schemas.contract.versions import artifact_versions
from schemas.redis.presences import beat, cordon
from tests.conftest import command
from tests.orchestrator.broker.test_requirements import own_server
from tests.schemas.redis.test_presences import presence

AT = datetime(2026, 1, 2, tzinfo=UTC)
FAILED = StoreUse(errors=2, last_error="403; check its rights", failed_at=AT, is_failing=True)


def healthy(name: str, data_dir: Path, store: str | None = None) -> Presence:
    """A heartbeat of a device that can work for a run under a data folder."""
    folders = Folders(data_dir=str(data_dir), store=store).resolved()
    found = {"versions": artifact_versions(), "folders": folders, "free_gib": 50.0, "clock_ahead_s": 0.01}
    return presence(name).model_copy(update=found)


def examined(cwd: Path, *arguments: str) -> tuple[int, list[Check]]:
    """Exit code and findings."""
    result = command("doctor", "--json", *arguments, cwd=cwd)
    answer: dict[str, Any] = json.loads(result.stdout)
    return result.returncode, [Check.model_validate(each) for each in answer["checks"]]


def test_a_fleet_that_lacks_nothing(redis: Redis, server: str, tmp_path: Path) -> None:
    """Every check has one line, none is a fault, nothing is left in broker or store, and the exit code is 0."""
    store = f"file://{tmp_path}/store"
    beat(redis, healthy("d0", tmp_path / "data", store), expiry_s=60.0)
    before = set(redis.keys())
    code, found = examined(tmp_path, "--broker", server, "--store", store)
    assert code == 0 and {each.state for each in found} == {CheckState.OK}
    parts = ("version", "memory", "persistence", "encryption", "signatures", "rights", "clients")
    names = ["versions", "disk", "store", "broker", *(f"broker {each}" for each in parts), "clock", "devices", "d0"]
    assert [each.name for each in found] == names
    assert set(redis.keys()) == before and not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    lines = command("doctor", "--broker", server, "--store", store, cwd=tmp_path).stdout.splitlines()
    assert len(lines) == len(found) and all(line.startswith("ok     ") for line in lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versions": {"gurukul": "0.1"}}, "install the same there"),
        ({"folders": Folders(data_dir="/elsewhere")}, "--data-dir"),
        ({"folders": Folders(data_dir="/x", store="s3://other/x")}, "without --store"),
        ({"free_gib": 0.0}, "on its host is full; free some there"),
        ({"free_gib": 0.25}, "has 0.25 GiB free, and workers need 1; free some"),
        ({"clock_ahead_s": -90.0}, "is 90 s behind that of the broker; set both by a time server"),
        ({"draining": True}, "it is leaving"),
        ({"round_trip_s": 0.3, "distance_s": 0.2}, "200 ms from the broker"),
        ({"folders": None}, "an earlier version"),
        ({"store": FAILED}, "gets no work from here: its last request to the store failed: 403"),
        (
            {"store": FAILED + StoreUse(is_failing=False)},
            "it reaches the store now, but 2 requests to it failed since its worker started",
        ),
    ],
)
def test_what_is_wrong_with_a_device_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """One line per fault or risk, and no other line for the device."""
    needs = Needs(artifact_versions(), str(tmp_path))
    broken = healthy("d0", tmp_path).model_copy(update=change)
    (found,) = device_checks(broken, needs, cordoned=False)
    assert found.name == "d0" and found.state is not CheckState.OK and words in found.text
    assert [each.state for each in device_checks(healthy("d0", tmp_path), needs, cordoned=False)] == [CheckState.OK]


def test_faults_of_the_whole_fleet(redis: Redis, server: str, tmp_path: Path) -> None:
    """No device, only cordoned ones, heartbeats that cannot be read; exit code 3."""
    code, found = examined(tmp_path, "--broker", server)
    assert (code, found[-1].name, found[-1].state) == (3, "devices", CheckState.FAULT)
    assert "workers start --broker URL" in found[-1].text
    beat(redis, healthy("d0", tmp_path / "data"), expiry_s=60.0)
    (tmp_path / "ideas.py").write_text("")
    code, found = examined(tmp_path, "--broker", server, "--plugins", "ideas.py")
    assert code == 3 and "lacks the plug-in ideas.py; start its workers with" in found[-1].text
    cordon(redis, ["d0", "d1"])
    redis.zadd("devices", {"x": 9e15})
    redis.hset("presences", "x", "junk")
    code, found = examined(tmp_path, "--broker", server)
    states = {each.name: (each.state, each.text) for each in found}
    assert code == 3 and states["devices"][0] is CheckState.FAULT
    redis.zrem("devices", "d0")
    _, alone = examined(tmp_path, "--broker", server)
    assert "no worker is online whose heartbeat can be read" in {each.name: each.text for each in alone}["devices"]
    assert (states["d0"][0], states["d1"][0], states["x"][0]) == (CheckState.NOTE, CheckState.NOTE, CheckState.FAULT)
    assert (
        "fleet uncordon d0" in states["d0"][1]
        and "not online" in states["d1"][1]
        and "cannot be read" in states["x"][1]
    )


def test_a_broker_and_a_store_that_do_not_answer_are_two_lines(tmp_path: Path) -> None:
    """The one does not hide the other."""
    file = tmp_path / "file"
    file.touch()
    code, found = examined(tmp_path, "--broker", "redis://127.0.0.1:1/0", "--store", f"file://{file}/x")
    faults = [each.name for each in found if each.state is CheckState.FAULT]
    assert (code, faults) == (3, ["store", "broker"])


@pytest.mark.parametrize(
    ("settings", "name", "words"),
    [
        (("--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"), "broker memory", "set it to noeviction"),
        (("--replicaof", "127.0.0.1 1"), "broker", "give the URL of the primary"),
    ],
)
def test_a_server_that_no_run_can_use(tmp_path: Path, settings: tuple[str, ...], name: str, words: str) -> None:
    """The setting is named with its remedy, beside all that is right."""
    with own_server(tmp_path, *settings) as url:
        code, found = examined(tmp_path, "--broker", url)
    fault = next(each for each in found if each.state is CheckState.FAULT)
    assert (code, fault.name, words in fault.text) == (3, name, True)


def test_a_request_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """No broker, an URL of none, a store that is none: exit code 2 and nothing is looked at."""
    for arguments in ((), ("--broker", "http://x"), ("--broker", "redis://127.0.0.1:1/0", "--store", "ftp://x")):
        result = command("doctor", *arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, ""), result.stderr
