"""The rate of requests to a vendor, shared by threads and processes by the broker's clock."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from redis import Redis

from workers.bars.sources.pace import Pace

SLOTS = """
import sys
from redis import Redis
from workers.bars.sources.pace import Pace
with Redis.from_url(sys.argv[1]) as redis:
    pace = Pace(redis, 30, sleep=lambda seconds: None)
    for _ in range(20):
        print(pace.acquire())
"""
STEP_US = 2_000_000


def test_all_share_one_pace(redis: Redis, server: str) -> None:
    """Threads and processes together never get more than 30 slots in any minute, and no slot is lost."""
    pace = Pace(redis, 30, sleep=lambda seconds: None)
    command = [sys.executable, "-c", SLOTS, server]
    root = Path(__file__).parents[3]
    others = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        slots = list(threads.map(lambda _: pace.acquire(), range(40)))
    for other in others:
        slots += map(int, other.communicate(timeout=60)[0].split())
        assert other.returncode == 0
    slots.sort()
    gaps = [after - before for before, after in pairwise(slots)]
    assert len(slots) == 80 and set(gaps) == {STEP_US}
    assert max(sum(first <= slot < first + 60_000_000 for slot in slots) for first in slots) == 30


def test_waits_for_its_slot(redis: Redis) -> None:
    """The first request is sent at once, each later one at its slot; unused time is not saved."""
    slept: list[float] = []
    pace = Pace(redis, 30, sleep=slept.append)
    pace.acquire()
    assert not slept and 0 < redis.pttl("pace:vendor") <= 2000
    pace.acquire()
    pace.acquire()
    assert 1.5 < slept[0] <= 2 and 3.5 < slept[1] <= 4
    redis.delete("pace:vendor")
    pace.acquire()
    assert len(slept) == 2


@pytest.mark.parametrize("shared", [True, False])
def test_rates(shared: bool, redis: Redis) -> None:
    """A minute has the requested number of slots, with and without a broker; each vendor has its own rate."""
    client = redis if shared else None
    for per_minute in (0.5, 90, 6000):
        pace = Pace(client, per_minute, vendor=f"v{per_minute}", sleep=lambda seconds: None)
        first, second = pace.acquire(), pace.acquire()
        assert second - first == round(60e6 / per_minute)
