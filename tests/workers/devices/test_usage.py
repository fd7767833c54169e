"""Utilisation of a device: real processes measured by psutil, and GPUs by a faked NVML."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from schemas.contract.device import MIB
from tests.doubles.gpus import TOTAL_MIB, fake_nvml
from tests.waiting import wait_for
from workers.devices.discovery import find_devices
from workers.devices.usage import SHORTEST_SPAN_S, CpuUsage, GpuUsage, Use

BALLAST_MIB = 64
# A busy child gets at least this share of a core, however many tests run beside it.
BUSY = 0.1


@pytest.fixture
def busy_child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that keeps one core busy and holds memory, until it is killed."""
    code = f"held = b'x' * ({BALLAST_MIB} * 2**20); print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        yield child
        child.kill()


def share(look: CpuUsage) -> float:
    return look().utilisation or 0.0


def test_a_child_that_computes_is_use_of_its_slot(busy_child: subprocess.Popen[bytes]) -> None:
    """CPU time and memory of children count as the device's; twice the slots, and the same work is half the use."""
    one, four = CpuUsage(1), CpuUsage(4)
    assert one().utilisation is None
    wait_for(lambda: share(one) > BUSY, "use of one slot")
    four()
    seen = wait_for(lambda: share(four), "use of four slots")
    assert 0 < seen <= 0.25
    use = one()
    own_mib = psutil.Process().memory_info().rss / MIB
    assert use.memory_mib is not None and use.memory_mib > own_mib + BALLAST_MIB
    assert use.memory_total_mib == psutil.virtual_memory().total / MIB


def test_use_falls_when_the_work_ends_and_never_leaves_its_range(busy_child: subprocess.Popen[bytes]) -> None:
    """The time of a child that has ended is not counted again, and the next child is found."""
    look = CpuUsage(1)
    look()
    wait_for(lambda: share(look) > BUSY, "use")
    busy_child.kill()
    busy_child.wait()
    seen = []

    def has_ended() -> bool:
        seen.append(look())
        return share(look) < BUSY

    wait_for(has_ended, "the end of the use")
    assert all(use.utilisation is not None and 0 <= use.utilisation <= 1 for use in seen)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as second:
        wait_for(lambda: share(look) > BUSY, "use by the next child")
        second.kill()


def test_a_child_that_came_and_went_between_two_looks_counts() -> None:
    """A pool child that ended has passed its CPU time on to the worker: half a second of a span of one is half."""
    now = [0.0]
    look = CpuUsage(1, clock=lambda: now[0])
    look()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    now[0] += 1.0
    assert share(look) >= 0.5


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
