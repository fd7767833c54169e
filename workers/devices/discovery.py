"""Find devices, name them, and say what a process must have in its environment to be pinned to one."""

import importlib
import os
import socket
from typing import Any

from schemas.contract.device import DEVICE_ENV, MIB, Device, DeviceKind, parse_devices
from schemas.contract.errors import RequestError

# Process id of the supervisor or worker that a worker or pool child must not outlive.
PARENT_ENV = "GURUKUL_PARENT_PID"

SINGLE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def find_devices(text: str, nvml: Any = None) -> list[Device]:
    """Devices of this host for a `--devices` value; RequestError if a GPU that it names is not there.

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


def environment(device: Device) -> dict[str, str]:
    """Variables that pin a process to `device`; they must be set before it starts."""
    # An empty list hides every GPU from a CPU worker, so nothing in it can open a CUDA context by accident.
    visible = device.uuid if device.kind is DeviceKind.GPU and device.uuid else ""
    pinned = {"CUDA_VISIBLE_DEVICES": visible, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return SINGLE_THREAD | pinned | {DEVICE_ENV: device.model_dump_json()}


def current_device() -> Device:
    """The device that this process was pinned to; RequestError outside a worker."""
    value = os.environ.get(DEVICE_ENV)
    if not value:
        raise RequestError(f"{DEVICE_ENV} is not set: start workers with `workers start`, which pins them")
    return Device.model_validate_json(value)


def xgboost_device() -> str:
    """`cuda` on a GPU worker (which sees one GPU alone), else `cpu`."""
    return "cuda" if current_device().kind is DeviceKind.GPU else "cpu"


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
    if nvml is None:
        try:
            nvml = importlib.import_module("pynvml")
        except ImportError:
            return []
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        return [_gpu(nvml, index, host) for index in range(nvml.nvmlDeviceGetCount())]
    finally:
        nvml.nvmlShutdown()


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
