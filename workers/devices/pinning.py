"""Pin a process to one device, and refuse work if the process is pinned wrongly.

XGBoost only warns where it finds no GPU, and trains on the CPU instead; these checks fail before that.
"""

import importlib
import os
from typing import Any

from schemas.contract.child_process import ONE_THREAD
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.errors import RequestError
from workers.devices.nvml import handle_of, pynvml

# Process id of the supervisor or worker that a worker or pool child must not outlive.
PARENT_ENV = "GURUKUL_PARENT_PID"

PCI_FIELDS = ("pciDomainID", "pciBusID", "pciDeviceID")


def pinned_environment(device: Device) -> dict[str, str]:
    """Variables that pin a process to `device`; they must be set before it starts."""
    return ONE_THREAD | _visible_gpus(device) | {DEVICE_ENV: device.model_dump_json()}


def _visible_gpus(device: Device) -> dict[str, str]:
    """CUDA's variables: a GPU worker sees its own GPU by UUID, a CPU worker none.

    An empty list hides every GPU, so a CPU worker cannot open a CUDA context by accident.
    """
    uuid = device.uuid if device.kind is DeviceKind.GPU and device.uuid else ""
    return {"CUDA_VISIBLE_DEVICES": uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def current_device() -> Device:
    """Device that this process is pinned to. RequestError outside a worker."""
    value = os.environ.get(DEVICE_ENV)
    if not value:
        raise RequestError(f"{DEVICE_ENV} is not set: start workers with `workers start`, which pins them")
    return Device.model_validate_json(value)


def xgboost_device() -> str:
    """XGBoost's name of this worker's device: `cuda` on a GPU worker, which sees one GPU, else `cpu`."""
    return "cuda" if current_device().kind is DeviceKind.GPU else "cpu"


def refuse_wrong_device(device: Device, nvml: Any = None) -> None:
    """RequestError unless this process's environment pins it to `device` and, for a GPU, the driver shows it here.

    Opens no CUDA context, so a pool's parent may call it. `nvml` is the NVML binding, by default `pynvml`.
    """
    for name, wanted in _visible_gpus(device).items():
        if (found := os.environ.get(name)) != wanted:
            found = "not set" if found is None else f"{found!r}"
            raise RequestError(
                f"{device.name} needs {name}={wanted!r}, here it is {found}; start workers with `workers start`"
            )
    if device.kind is DeviceKind.GPU:
        handle_of(device, nvml or pynvml())


def refuse_wrong_cuda(device: Device, runtime: Any = None, nvml: Any = None) -> None:
    """RequestError unless CUDA itself shows `device` and no other GPU; does nothing for a CPU device.

    Only for pool children, as it starts CUDA. `runtime` is `cupy.cuda.runtime`, by default CuPy's own. RequestError
    also where CuPy, or what its filters need, is not installed.
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
    pci = nvml.nvmlDeviceGetPciInfo(handle_of(device, nvml))
    wanted = _place(pci.domain, pci.bus, pci.device)
    if count != 1 or found != wanted:
        raise RequestError(
            f"{device.name} is {device.uuid} at PCI {wanted}, but CUDA shows {count} GPU, the first at {found};"
            " start workers with `workers start`"
        )


def _place(domain: int, bus: int, device: int) -> str:
    return f"{domain:04x}:{bus:02x}:{device:02x}"


def _cupy_runtime(device: Device) -> Any:
    try:
        from workers.devices.arrays import cupy_signal  # NumPy, which a supervisor and a worker do without

        cupy_signal()
        return importlib.import_module("cupy").cuda.runtime
    except ImportError as error:
        reason = f"CuPy cannot be used here ({' '.join(str(error).split())})"
        hint = (
            "install the extra [cuda12] or [cuda13] and, without a CUDA toolkit, [cuda12-toolkit] or [cuda13-toolkit]"
        )
        raise RequestError(f"{device.name}: {reason}; {hint}") from None
