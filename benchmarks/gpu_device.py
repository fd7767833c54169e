"""A device to measure: whether a GPU is available, its array module, and NVML's readings of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import numpy as np
import xgboost as xgb

from workers.devices.arrays import cupy_signal


def why_no_gpu() -> str:
    """Return in one line why nothing can be measured on a GPU here; empty if a GPU can be measured."""
    try:
        runtime = import_module("cupy").cuda.runtime
    except ImportError as error:
        return f"CuPy cannot be imported ({_first_line(error)})"
    try:
        count = runtime.getDeviceCount()
    except runtime.CUDARuntimeError as error:
        return f"CUDA shows no GPU ({_first_line(error)})"
    if not count:
        return "CUDA shows no GPU"
    try:
        cupy_signal()
    except ImportError as error:
        return f"CuPy does not find a CUDA library: install its extra [ctk] ({_first_line(error)})"
    return "" if xgb.build_info()["USE_CUDA"] else "this XGBoost is built without CUDA"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@dataclass(frozen=True)
class Side:
    """A device to measure: XGBoost's name for it and its array module."""

    device: str
    xp: ModuleType

    def finish(self) -> None:
        """Wait until all launched work has finished."""
        if self.device == "cuda":
            self.xp.cuda.runtime.deviceSynchronize()


CPU = Side("cpu", np)


@dataclass
class Gauge:
    """NVML's highest readings of a GPU while something ran; `seen` if there was a reading."""

    busy_percent: int = 0
    memory_mib: int = 0
    total_mib: int = 0
    driver: str = ""
    seen: bool = False


@contextmanager
def gauged(gpu: Side | None) -> Iterator[Gauge]:
    """Sample NVML every 50 ms; the gauge stays unseen without a binding, a driver or a reading."""
    gauge, stop = Gauge(), threading.Event()
    try:
        nvml = import_module("pynvml")
    except ImportError:
        nvml = None
    if gpu is None or nvml is None:
        yield gauge
        return

    def sample() -> None:
        try:
            nvml.nvmlInit()
            handle = nvml.nvmlDeviceGetHandleByPciBusId(gpu.xp.cuda.Device(0).pci_bus_id)
            gauge.driver = str(nvml.nvmlSystemGetDriverVersion())
            while not stop.wait(0.05):
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                gauge.total_mib = memory.total >> 20
                gauge.memory_mib = max(gauge.memory_mib, memory.used >> 20)
                gauge.busy_percent = max(gauge.busy_percent, nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                gauge.seen = True
        except nvml.NVMLError:
            gauge.seen = False

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield gauge
    finally:
        stop.set()
        thread.join()
