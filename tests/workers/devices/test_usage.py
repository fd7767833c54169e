"""Utilisation of a device: real processes measured by psutil, and GPUs by a faked NVML."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import psutil
import pytest

from schemas.contract.device import MIB
from tests.doubles.gpus import TOTAL_MIB, fake_nvml
from tests.waiting import wait_for
from workers.devices.discovery import find_devices
from workers.devices.usage import RELIST_S, SHORTEST_SPAN_S, CpuUsage, GpuUsage, Use

BALLAST_MIB = 64
# Half of a core, less the rounding of sums of times.
HALF = 0.5 - 1e-9


@contextmanager
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A child that keeps one core busy and holds memory, until it is killed."""
    code = f"held = b'x' * ({BALLAST_MIB} * 2**20); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        try:
            yield child
        finally:
            child.kill()


@pytest.fixture
def busy_child() -> Iterator[subprocess.Popen[bytes]]:
    """A busy child for the length of a test."""
    with busy() as child:
        yield child


class Clock:
    """A clock that a test moves, so that the machine's load decides nothing."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def share(look: CpuUsage) -> float:
    """Utilisation, 0 where it is unknown."""
    return look().utilisation or 0.0


def compute(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait until a child has used so many more seconds of CPU time."""
    process = psutil.Process(child.pid)
    before = process.cpu_times().user
    wait_for(lambda: process.cpu_times().user - before >= seconds, f"{seconds:g} s of CPU time")


def test_a_child_that_computes_is_use_of_its_slot(busy_child: subprocess.Popen[bytes]) -> None:
    """CPU time and memory of children count as the device's; four times the slots, and the same work is a quarter."""
    clock = Clock()
    one, four = CpuUsage(1, clock), CpuUsage(4, clock)
    assert one().utilisation is None
    four()
    compute(busy_child, 0.2)
    clock.now_s += 0.4
    assert HALF <= share(one) <= 1.0
    assert 0.125 - 1e-9 <= share(four) <= 0.5
    use = one()
    own_mib = psutil.Process().memory_info().rss / MIB
    assert use.memory_mib is not None and use.memory_mib > own_mib + BALLAST_MIB
    assert use.memory_total_mib == psutil.virtual_memory().total / MIB


def test_a_child_counts_after_the_clock_was_set_back(busy_child: subprocess.Popen[bytes]) -> None:
    """A child whose start seems to be before its parent's is a child all the same."""
    clock = Clock()
    look = CpuUsage(1, clock)
    with mock.patch.object(psutil.Process, "create_time", lambda process: -float(process.pid)):
        look()
        compute(busy_child, 0.2)
        clock.now_s += 0.4
        assert share(look) >= HALF


def test_a_whole_pool_is_not_listed_at_each_heartbeat(busy_child: subprocess.Popen[bytes]) -> None:
    """Listing reads every process of the host: with a child per slot it is done once in `RELIST_S`, without, always."""
    clock = Clock()
    whole, lacking = CpuUsage(1, clock), CpuUsage(1000, clock)
    for look, expected in ((whole, 1), (lacking, 5)):
        with mock.patch.object(psutil, "process_iter", wraps=psutil.process_iter) as listed:
            for _ in range(5):
                look()
                clock.now_s += RELIST_S / 6
            assert listed.call_count == expected
    clock.now_s += RELIST_S
    with mock.patch.object(psutil, "process_iter", wraps=psutil.process_iter) as listed:
        whole()
        assert listed.call_count == 1


def test_use_falls_when_the_work_ends_and_never_leaves_its_range(busy_child: subprocess.Popen[bytes]) -> None:
    """The time of a child that has ended is not counted again, and the next child is found."""
    clock = Clock()
    look = CpuUsage(1, clock)
    look()
    compute(busy_child, 0.2)
    clock.now_s += 0.4
    assert share(look) >= HALF
    busy_child.kill()
    busy_child.wait()
    seen = []
    for _ in range(3):
        clock.now_s += 10.0
        seen.append(share(look))
    assert all(0 <= each <= 1 for each in seen)
    assert seen[-1] < 0.1
    with busy() as second:
        clock.now_s += RELIST_S + 1.0  # this process may have other children, which are listed again only then
        look()
        compute(second, 0.2)
        clock.now_s += 0.4
        assert share(look) >= HALF


def test_a_child_that_came_and_went_between_two_looks_counts() -> None:
    """A pool child that ended has passed its CPU time on to the worker: 0.2 s of a span of 0.4 s is half."""
    clock = Clock()
    look = CpuUsage(1, clock)
    look()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.22: pass"], check=True)
    clock.now_s += 0.4
    assert share(look) >= HALF


def test_two_looks_at_once_give_the_same() -> None:
    """If too little time has passed between them, the second returns the share of the last whole span."""
    now = [0.0]
    look = CpuUsage(1, clock=lambda: now[0])
    look()
    now[0] += SHORTEST_SPAN_S
    first = look().utilisation
    sum(range(3_000_000))
    now[0] += SHORTEST_SPAN_S / 2
    assert look().utilisation == first is not None
    now[0] += SHORTEST_SPAN_S / 2
    assert look().utilisation != first


def test_a_gpu_is_measured_by_nvml_under_its_uuid() -> None:
    """Use and memory are those of the GPU that the device names, one of two."""
    (second,) = find_devices("gpu:1", fake_nvml(2))
    assert GpuUsage(second, fake_nvml(2, free_mib=TOTAL_MIB - 1000))() == Use(0.41, 1000.0, TOTAL_MIB)


def test_missing_figures_of_nvml_are_none(caplog: pytest.LogCaptureFixture) -> None:
    """A GPU that is gone has no figures, which is logged once; one without utilisation still has its memory."""
    (second,) = find_devices("gpu:1", fake_nvml(2))
    gone = GpuUsage(second, fake_nvml(1))
    assert gone() == gone() == Use(None, None, None)
    assert len(caplog.records) == 1
    nvml = fake_nvml(2, free_mib=0)

    def refuse(handle: int) -> None:
        raise nvml.NVMLError("Not Supported")

    nvml.nvmlDeviceGetUtilizationRates = refuse
    assert GpuUsage(second, nvml)() == Use(None, float(TOTAL_MIB), float(TOTAL_MIB))
