"""A whole run while anything is written to its queues, streams, channels and keys."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from redis import Redis

from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.presences import read_presences
from tests.chaos.junk import throwing
from tests.conftest import SPAN, Finished, command, finished_run, tree
from tests.strategies import junk
from tests.waiting import wait_for


def generated(count: int) -> list[bytes]:
    """Arbitrary bytes and JSON, the same ones in every test run."""
    items: list[bytes] = []

    @settings(max_examples=count, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(item=junk)
    def collect(item: bytes) -> None:
        items.append(item)

    collect()
    return items


def test_a_run_finishes_with_equal_bytes_whatever_is_thrown_at_it(
    fleet: tuple[str, ...], bars: Path, two_device_run: Finished, tmp_path: Path
) -> None:
    """Files are those of an undisturbed run, the worker's process is the same, all junk is set aside and counted."""
    url = fleet[1]
    with Redis.from_url(url) as redis:
        ((device, before),) = read_presences(redis).items()
        with throwing(redis, "generated", device, generated(200)) as thrower:
            run = finished_run(tmp_path, "--source", f"csv:{bars}", *SPAN, "--run-id", "generated", *fleet)
        counts, _ = read_dead_letters(redis, 0)
        listed = command("fleet", "--broker", url, cwd=tmp_path)
        redis.delete("devices", "presences", "dead-letters", "dead-letter-counts", device)
        wait_for(lambda: device in read_presences(redis), "the worker's next heartbeat")
        assert read_presences(redis)[device].pid == before.pid
    assert tree(run.folder / "windows") == tree(two_device_run.folder / "windows")
    for name in ("validation.json", "statistics.json"):
        assert (run.folder / name).read_bytes() == (two_device_run.folder / name).read_bytes()
    assert sum(thrower.thrown.values()) > 500 and thrower.thrown["key"] == 7
    assert counts.keys() == set(Place)
    assert listed.returncode == 0 and "set aside" in listed.stdout
