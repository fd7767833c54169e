"""Find this host's devices and name them."""

import os
import socket
from typing import Any

from schemas.contract.device import MIB, Device, DeviceKind, parse_devices
from schemas.contract.errors import RequestError
from workers.devices.nvml import pynvml, start


def find_devices(text: str, nvml: Any = None) -> list[Device]:
    """Devices of this host for a `--devices` value. RequestError if it names a GPU that NVML does not show.

    `nvml` is the NVML binding; by default `pynvml` where it is installed and finds a driver.
    """
    request = parse_devices(text)
    host = socket.gethostname()
    if request.cpu_devices:
        return [_cpu(i, request.cpu_slots, host) for i in range(request.cpu_devices)]
    gpus = _gpus(host, nvml)
    if request.auto:
        return gpus or [_cpu(0, _usable_cores(), host)]
    return [_chosen(gpus, index) for index in request.gpus]


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu(index: int, slots: int, host: str) -> Device:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Device(name=f"cpu{index}@{host}", kind=DeviceKind.CPU, slots=slots, memory_mib=memory // MIB)


def _chosen(gpus: list[Device], index: int) -> Device:
    if index >= len(gpus):
        seen = f"NVML shows {len(gpus)}" if gpus else "NVML shows none here"
        raise RequestError(f"--devices names gpu {index}, but {seen}; use --devices auto or cpu:2x1")
    return gpus[index]


def _gpus(host: str, nvml: Any) -> list[Device]:
    """The GPUs that NVML shows; none where it is not installed or finds no driver."""
    try:
        if nvml is None:
            nvml = pynvml()
        else:
            start(nvml)
    except RequestError:
        return []
    return [_gpu(nvml, index, host) for index in range(nvml.nvmlDeviceGetCount())]


def _gpu(nvml: Any, index: int, host: str) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    words = nvml.nvmlDeviceGetCpuAffinity(handle, (os.cpu_count() or 1) // 64 + 1)
    cores = tuple(64 * w + bit for w, word in enumerate(words) for bit in range(64) if word >> bit & 1)
    return Device(
        name=f"gpu{index}@{host}",
        kind=DeviceKind.GPU,
        slots=1,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        model=_text(nvml.nvmlDeviceGetName(handle)),
        cpu_affinity=cores,
        memory_mib=nvml.nvmlDeviceGetMemoryInfo(handle).total // MIB,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
