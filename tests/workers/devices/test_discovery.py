"""Finding, naming and pinning devices. NVML is faked; everything above it is real."""

import json
import os
import socket
import subprocess
import sys

import psutil
import pytest

from schemas.contract.device import MIB, parse_devices
from schemas.contract.errors import RequestError
from tests.doubles.gpus import TOTAL_MIB, fake_nvml, no_driver, unsupported
from workers.devices.discovery import find_devices
from workers.devices.pinning import pinned_environment

HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may use the cores 0 to 7."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


def test_auto_takes_every_gpu() -> None:
    """`auto` is one device per GPU, named by index and host, with its UUID and near cores."""
    first, second = find_devices("auto", fake_nvml(2))
    assert (first.name, second.name) == (f"gpu0@{HOST}", f"gpu1@{HOST}")
    assert second.uuid == "GPU-0001"
    assert second.model == "Fake 9000"
    assert second.cpu_affinity == (2, 3)
    assert second.slots == 1


def test_auto_without_gpu_is_one_cpu_device_with_a_slot_per_core() -> None:
    """If NVML shows no GPU, the cores that this process may use are one device."""
    (device,) = find_devices("auto", no_driver())
    assert device.name == f"cpu0@{HOST}"
    assert device.slots == len(os.sched_getaffinity(0))


def test_a_device_has_its_memory() -> None:
    """A GPU has its own, a CPU device all of its host's, both in MiB."""
    (gpu,) = find_devices("gpu:1", fake_nvml(2, free_mib=1))
    assert gpu.memory_mib == TOTAL_MIB
    (cpu,) = find_devices("cpu:1x1")
    assert cpu.memory_mib == psutil.virtual_memory().total // MIB


def test_gpus_are_taken_by_index_and_missing_ones_named() -> None:
    """`gpu:1` is the second GPU; a missing one is an error with the number of GPUs."""
    (device,) = find_devices("gpu:1", fake_nvml(2))
    assert device.uuid == "GPU-0001"
    with pytest.raises(RequestError, match="gpu 2, but NVML shows 2"):
        find_devices("gpu:2", fake_nvml(2))


def test_cores_outside_the_cpuset_are_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's near cores are those that this process may use; none of them means no affinity, not a failed start."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3})
    assert [gpu.cpu_affinity for gpu in find_devices("gpu:0,1,2", fake_nvml(3))] == [(0,), (3,), ()]


def test_figures_that_nvml_does_not_support_are_none() -> None:
    """No affinity (WSL2) means none; no memory figure (GB10) means the host's."""
    nvml = unsupported(fake_nvml(1), "nvmlDeviceGetCpuAffinity", "nvmlDeviceGetMemoryInfo")
    (gpu,) = find_devices("auto", nvml)
    assert gpu.cpu_affinity == ()
    assert gpu.memory_mib == psutil.virtual_memory().total // MIB


@pytest.mark.parametrize("name", ["nvmlDeviceGetCount", "nvmlDeviceGetUUID", "nvmlDeviceGetMemoryInfo"])
def test_another_error_of_nvml_is_one_line(name: str) -> None:
    """A lost GPU is a RequestError with NVML's reason, never a raw NVMLError."""
    with pytest.raises(RequestError, match=r"does not describe this host's GPUs: GPU is lost; see `nvidia-smi -L`"):
        find_devices("auto", unsupported(fake_nvml(1), name, value=15))


def test_a_divided_gpu_is_refused_and_a_whole_one_beside_it_is_taken() -> None:
    """MIG instances are not supported: one line that names the GPU and the ways out."""
    nvml = fake_nvml(2)
    nvml.nvmlDeviceGetMigMode = lambda handle: [int(handle == 0), 0]
    for text in ("auto", "gpu:0"):
        with pytest.raises(RequestError, match="GPU 0 is divided into MIG instances, which are not supported"):
            find_devices(text, nvml)
    assert [gpu.uuid for gpu in find_devices("gpu:1", nvml)] == ["GPU-0001"]


def test_cpu_devices_are_laid_out_as_asked() -> None:
    """`cpu:2x4` is two devices of four slots, whatever GPUs there are."""
    devices = find_devices("cpu:2x4", fake_nvml(2))
    assert [(device.name, device.slots) for device in devices] == [(f"cpu0@{HOST}", 4), (f"cpu1@{HOST}", 4)]


@pytest.mark.parametrize("text", ["", "gpu", "gpu:", "gpu:0,0", "cpu:0x1", "cpu:2", "cpu:1x0", "AUTO", "gpu:-1"])
def test_other_forms_are_refused(text: str) -> None:
    """Any other form is a ValueError that shows the three forms."""
    with pytest.raises(ValueError, match=r"cpu:2x4|twice"):
        parse_devices(text)


def test_a_pinned_process_knows_its_device_and_sees_no_other_gpu() -> None:
    """A GPU worker sees one GPU, by UUID in PCI order, and uses CUDA; a CPU worker sees none."""
    code = (
        "import os, json; from workers.devices.pinning import current_device, xgboost_device;"
        "print(json.dumps([current_device().name, xgboost_device(), os.environ['CUDA_VISIBLE_DEVICES'],"
        " os.environ['CUDA_DEVICE_ORDER'], os.environ['OMP_NUM_THREADS']]))"
    )

    def child(device_text: str) -> list[str]:
        (device,) = find_devices(device_text, fake_nvml(2))
        env = os.environ | pinned_environment(device)
        result = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        return list(json.loads(result.stdout))

    assert child("gpu:1") == [f"gpu1@{HOST}", "cuda", "GPU-0001", "PCI_BUS_ID", "1"]
    assert child("cpu:1x1") == [f"cpu0@{HOST}", "cpu", "", "PCI_BUS_ID", "1"]
