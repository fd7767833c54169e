"""NVML: started once per process, a GPU's handle by its UUID, and the check for free memory before a window."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from schemas.contract.device import MIB, Device, DeviceKind
from schemas.contract.errors import RequestError

# Not measured. A context with the kernels of XGBoost and CuPy takes some hundred MiB before it holds a row; a window's
# rows take little (100,000 minute bars of 27 float64 features: 21 MiB, and a few times that while trees grow).
NEEDED_MIB = 1024
NOT_SUPPORTED = 3  # NVML_ERROR_NOT_SUPPORTED


@cache
def pynvml() -> Any:
    """NVML's binding, started once in this process. RequestError where it is not installed or finds no driver."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        raise RequestError("a GPU needs nvidia-ml-py, which is not installed; install gurukul[cuda12]") from None
    start(nvml)
    return nvml


def start(nvml: Any) -> None:
    """Start NVML through its binding. RequestError where it finds no driver."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise RequestError(f"NVML does not start: {error}; run `nvidia-smi` to see what the driver lacks") from None


def answer(nvml: Any, query: Callable[[], Any]) -> Any:
    """What `query` returns; None if NVML does not support it here (affinity on WSL2, memory on GB10).

    Every other error of NVML, such as a lost GPU, is raised.
    """
    try:
        return query()
    except nvml.NVMLError as error:
        if getattr(error, "value", None) == NOT_SUPPORTED:
            return None
        raise


def handle_of(device: Device, nvml: Any) -> Any:
    """NVML's handle of a GPU. RequestError if NVML shows no GPU with its UUID."""
    try:
        return nvml.nvmlDeviceGetHandleByUUID(device.uuid)
    except nvml.NVMLError as error:
        raise RequestError(
            f"{device.name}: NVML shows no GPU {device.uuid} on this host ({error}); see `nvidia-smi -L`, start again"
        ) from None


def refuse_full_memory(device: Device, nvml: Any = None) -> None:
    """MemoryError if a GPU has less than `NEEDED_MIB` free now; NVML's own error if the GPU is gone.

    Memory that this process holds counts as used. A GPU without a figure of its own is not checked.
    """
    if device.kind is DeviceKind.CPU:
        return
    nvml = nvml or pynvml()
    handle = nvml.nvmlDeviceGetHandleByUUID(device.uuid)
    memory = answer(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    if memory is not None and (free_mib := memory.free // MIB) < NEEDED_MIB:
        raise MemoryError(
            f"{device.name} has {free_mib} MiB free of {device.memory_mib}, a window needs {NEEDED_MIB};"
            " `nvidia-smi` shows what holds the rest"
        )
