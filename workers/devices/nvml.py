"""The pinned GPU as a process finds it: the right one or none, with room for a window, and what its errors mean.

None of it would show by itself: where XGBoost sees no GPU it warns and trains on the CPU.
"""

import importlib
import os
import re
from functools import lru_cache
from typing import Any

from schemas.contract.device import MIB, Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.contract.task import FailureClass

# Not measured. A context with the kernels of XGBoost and CuPy takes some hundred MiB before it holds a row; a window's
# rows take little (100,000 minute bars of 27 float64 features: 21 MiB, and a few times that while trees grow).
NEEDED_MIB = 1024

PCI_FIELDS = ("pciDomainID", "pciBusID", "pciDeviceID")

# An earlier failure can surface at an allocation, so XGBoost's own word for a failed one counts only without a code.
OUT_OF_MEMORY = re.compile(
    r"cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|STATUS_ALLOC_FAILED"
    r"|Memory allocation error on worker (?!.*(?:cudaError|CUDA_ERROR_))"
)
# The colon tells a code from the names of functions in XGBoost's stack trace (ThrowOnCudaErrorE9cudaErrorPKci).
XGBOOST_CUDA = re.compile(r"cudaError[A-Z]\w+:|CUDA driver error:|Memory allocation error on worker ")


def refuse_wrong_device(device: Device, nvml: Any = None) -> None:
    """RequestError unless this process's environment pins it to `device` and, for a GPU, the driver shows it here.

    Opens no CUDA context: a pool's parent may call it. `nvml` is the NVML binding, by default `pynvml`.
    """
    for name, wanted in _pin(device).items():
        if (found := os.environ.get(name)) != wanted:
            found = "not set" if found is None else f"{found!r}"
            raise RequestError(
                f"{device.name} needs {name}={wanted!r}, here it is {found}; start workers with `workers start`"
            )
    if device.kind is DeviceKind.GPU:
        _handle(device, nvml or pynvml())


def refuse_wrong_cuda(device: Device, runtime: Any = None, nvml: Any = None) -> None:
    """RequestError unless CUDA itself shows `device` and no other GPU; says nothing of a CPU device.

    For pool children alone, as it starts CUDA. `runtime` is `cupy.cuda.runtime`, by default CuPy's own; RequestError
    too where CuPy, or what its filters need, is not installed.
    """
    if device.kind is DeviceKind.CPU:
        return
    runtime = runtime or _cupy_runtime(device)
    nvml = nvml or pynvml()
    try:
        count, properties = runtime.getDeviceCount(), runtime.getDeviceProperties(0)
    except runtime.CUDARuntimeError as error:
        raise RequestError(f"{device.name}: CUDA shows no GPU ({error}); compare `nvidia-smi` and the driver") from None
    # Not the UUID: CuPy reads it as a C string, cut at its first zero byte.
    found = _place(*(properties[field] for field in PCI_FIELDS))
    pci = nvml.nvmlDeviceGetPciInfo(_handle(device, nvml))
    wanted = _place(pci.domain, pci.bus, pci.device)
    if count != 1 or found != wanted:
        raise RequestError(
            f"{device.name} is {device.uuid} at PCI {wanted}, but CUDA shows {count} GPU, the first at {found};"
            " start workers with `workers start`"
        )


def refuse_full_memory(device: Device, nvml: Any = None) -> None:
    """MemoryError if a GPU has less than `NEEDED_MIB` free now; NVML's own error if the GPU is gone.

    What this process holds itself counts as taken.
    """
    if device.kind is DeviceKind.CPU:
        return
    nvml = nvml or pynvml()
    free_mib = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByUUID(device.uuid)).free // MIB
    if free_mib < NEEDED_MIB:
        raise MemoryError(
            f"{device.name} has {free_mib} MiB free of {device.memory_mib}, a window needs {NEEDED_MIB};"
            " `nvidia-smi` shows what holds the rest"
        )


def failure_of(error: Exception) -> FailureClass | None:
    """Class of an error of CUDA or NVML, as XGBoost, CuPy and pynvml raise it; None for every other error.

    Where it is not None this process must end once it has reported: a failed kernel leaves the context unusable for
    good ("the process must be terminated and relaunched", CUDA's reference of cudaError), and after a failed allocation
    only an end gives back all that this process's pools hold.
    """
    origins = {base.__module__.partition(".")[0] for base in type(error).__mro__}
    text = str(error)
    if "cupy" in origins and isinstance(error, MemoryError):
        return FailureClass.OOM
    if not origins & {"cupy_backends", "pynvml"} and not ("xgboost" in origins and XGBOOST_CUDA.search(text)):
        return None
    return FailureClass.OOM if OUT_OF_MEMORY.search(text) else FailureClass.TRANSIENT


def _pin(device: Device) -> dict[str, str]:
    if device.kind is DeviceKind.CPU:
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {"CUDA_VISIBLE_DEVICES": str(device.uuid), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _handle(device: Device, nvml: Any) -> Any:
    try:
        return nvml.nvmlDeviceGetHandleByUUID(device.uuid)
    except nvml.NVMLError as error:
        raise RequestError(
            f"{device.name}: NVML shows no GPU {device.uuid} on this host ({error}); see `nvidia-smi -L`, start again"
        ) from None


def _place(domain: int, bus: int, device: int) -> str:
    return f"{domain:04x}:{bus:02x}:{device:02x}"


@lru_cache(maxsize=1)
def pynvml() -> Any:
    """NVML's binding, started once in this process; RequestError where it is not installed or finds no driver."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        raise RequestError("a GPU needs nvidia-ml-py, which is not installed; install gurukul[cuda12]") from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise RequestError(f"NVML does not start: {error}; `nvidia-smi` shows what the driver lacks") from None
    return nvml


def _cupy_runtime(device: Device) -> Any:
    try:
        importlib.import_module("cupyx.scipy.signal")
        return importlib.import_module("cupy").cuda.runtime
    except ImportError as error:
        reason = f"CuPy cannot be used here ({' '.join(str(error).split())})"
        hint = (
            "install the extra [cuda12] or [cuda13] and, without a CUDA toolkit, cupy-cuda12x[ctk] or cupy-cuda13x[ctk]"
        )
        raise RequestError(f"{device.name}: {reason}; {hint}") from None
