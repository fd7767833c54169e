"""Find this host's devices and name them."""

import os
import socket
from typing import Any

from schemas.contract.device import MIB, Device, DeviceKind, parse_devices
from schemas.contract.errors import RequestError
from workers.devices.nvml import answer, pynvml, start


def find_devices(text: str, nvml: Any = None) -> list[Device]:
    """Devices of this host for a `--devices` value.

    RequestError if it names a GPU that NVML does not show, if NVML cannot describe one, or if one is divided (MIG).

    `nvml` is the NVML binding; by default `pynvml` where it is installed and finds a driver.
    """
    request = parse_devices(text)
    host = socket.gethostname()
    if request.cpu_devices:
        return [_cpu(i, request.cpu_slots, host) for i in range(request.cpu_devices)]
    nvml = _started(nvml)
    if nvml is None:
        _refuse_absent(request.gpus, 0)
        return [_cpu(0, _usable_cores(), host)]
    try:
        count = nvml.nvmlDeviceGetCount()
        _refuse_absent(request.gpus, count)
        chosen = range(count) if request.auto else request.gpus
        return [_gpu(nvml, index, host) for index in chosen] or [_cpu(0, _usable_cores(), host)]
    except nvml.NVMLError as error:
        raise RequestError(f"NVML does not describe this host's GPUs: {error}; see `nvidia-smi -L`") from None


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _host_memory_mib() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB


def _cpu(index: int, slots: int, host: str) -> Device:
    return Device(name=f"cpu{index}@{host}", kind=DeviceKind.CPU, slots=slots, memory_mib=_host_memory_mib())


def _refuse_absent(wanted: tuple[int, ...], count: int) -> None:
    """RequestError for the first wanted GPU that is not one of `count`."""
    seen = f"NVML shows {count}" if count else "NVML shows none here"
    for index in wanted:
        if index >= count:
            raise RequestError(f"--devices names gpu {index}, but {seen}; use --devices auto or cpu:2x1")


def _started(nvml: Any) -> Any:
    """The binding, started; None where it is not installed or finds no driver."""
    try:
        if nvml is None:
            return pynvml()
        start(nvml)
    except RequestError:
        return None
    return nvml


def _gpu(nvml: Any, index: int, host: str) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    mig = answer(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle))
    if mig is not None and mig[0]:
        raise RequestError(
            f"GPU {index} is divided into MIG instances, which are not supported; name whole GPUs with --devices"
            f" gpu:N, or run `nvidia-smi -i {index} -mig 0`"
        )
    memory = answer(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return Device(
        name=f"gpu{index}@{host}",
        kind=DeviceKind.GPU,
        slots=1,
        uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
        model=_text(nvml.nvmlDeviceGetName(handle)),
        cpu_affinity=_near_cores(nvml, handle),
        # A GPU that shares the host's memory, such as GB10, has no figure of its own.
        memory_mib=_host_memory_mib() if memory is None else memory.total // MIB,
    )


def _near_cores(nvml: Any, handle: Any) -> tuple[int, ...]:
    """Cores near a GPU that this process may use; empty, which means no affinity, where NVML names none of them."""
    words = answer(nvml, lambda: nvml.nvmlDeviceGetCpuAffinity(handle, (os.cpu_count() or 1) // 64 + 1)) or ()
    near = {64 * w + bit for w, word in enumerate(words) for bit in range(64) if word >> bit & 1}
    return tuple(sorted(near & os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else near))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
