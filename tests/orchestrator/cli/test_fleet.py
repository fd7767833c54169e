"""`orchestrator fleet`: devices are listed, cordoned, drained and uncordoned, on a real server."""

import json
from pathlib import Path
from threading import Thread

import pytest
from redis import Redis

from schemas.redis.presences import beat, read_standing, sign_off
from tests.conftest import command
from tests.schemas.redis.test_presences import presence
from tests.waiting import wait_for


@pytest.fixture
def url(redis: Redis, server: str) -> str:
    """A server on which d0 and d1 are online."""
    for name in ("d0", "d1"):
        beat(redis, presence(name), expiry_s=60.0)
    return server


@pytest.mark.parametrize("name", ["d0", "cpu0@beta-3f2a9c"])
def test_a_device_is_cordoned_listed_and_uncordoned(redis: Redis, url: str, tmp_path: Path, name: str) -> None:
    """The list names it, also while it is offline, until it is uncordoned; so of a host whose name another has, too."""
    beat(redis, presence(name), expiry_s=60.0)
    did = command("fleet", "cordon", name, "--broker", url, cwd=tmp_path)
    assert (did.returncode, did.stdout) == (0, f"{name}: cordoned\n")
    assert "cordoned" in command("fleet", "--broker", url, cwd=tmp_path).stdout
    assert json.loads(command("fleet", "--json", "--broker", url, cwd=tmp_path).stdout)["cordoned"] == [name]
    sign_off(redis, name)
    assert f"cordoned and not online: {name}" in command("fleet", "--broker", url, cwd=tmp_path).stdout
    assert command("fleet", "uncordon", name, "--broker", url, cwd=tmp_path).returncode == 0
    assert "cordoned" not in command("fleet", "--broker", url, cwd=tmp_path).stdout


def test_a_drained_device_runs_nothing(redis: Redis, url: str, tmp_path: Path) -> None:
    """`drain` cordons, names what it waits for, and ends when the device has finished that."""
    busy = presence("d0").model_copy(update={"held": ("r/teacher/A/1",), "running": ("r/teacher/A/1",)})
    beat(redis, busy, expiry_s=60.0)
    ends: list[tuple[int, str, str]] = []

    def drain() -> None:
        did = command("fleet", "drain", "d0", "--broker", url, cwd=tmp_path)
        ends.append((did.returncode, did.stdout, did.stderr))

    thread = Thread(target=drain)
    thread.start()
    wait_for(lambda: read_standing(redis, ())[1] == {"d0"}, "the cordon")
    assert not ends
    beat(redis, presence("d0"), expiry_s=60.0)
    thread.join(10.0)
    assert ends == [(0, "d0: drained: nothing runs there\n", "waiting for teacher A of r on d0\n")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("drain",), "needs the name of a device"),
        (("cordon", "d7"), "d7: not online; these are: d0, d1"),
        (("uncordon", "d0"), "d0: not cordoned; none is"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(url: str, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2 and the names that would fit; nothing is changed."""
    refused = command("fleet", *arguments, "--broker", url, cwd=tmp_path)
    assert refused.returncode == 2 and words in refused.stderr
