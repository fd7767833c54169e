"""Utilisation and memory of a device, measured by its worker at each heartbeat.

A value that cannot be read is None; the heartbeat is sent without it.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import psutil

from schemas.contract.device import MIB, Device, DeviceKind
from schemas.contract.errors import RequestError
from workers.devices.nvml import pynvml

logger = logging.getLogger(__name__)

# To list children every process of the host is read (10 ms of CPU for 200 of them, 51 ms for 1,000), so a pool that has
# one child per slot, which hardly ever changes, is not listed at each heartbeat.
RELIST_S = 15.0
# CPU time advances in steps of 10 ms, so a shorter span would be imprecise.
SHORTEST_SPAN_S = 0.3


class Use(NamedTuple):
    """Share of the device in use, 0 to 1, and its used and total memory in MiB; None where a value is unknown."""

    utilisation: float | None = None
    memory_mib: float | None = None
    memory_total_mib: float | None = None


def usage(device: Device) -> Callable[[], Use]:
    """Return a function that measures `device` from its worker's process."""
    return CpuUsage(device.slots) if device.kind is DeviceKind.CPU else GpuUsage(device)


class CpuUsage:
    """CPU time of this process and its children since the last call, per second and slot; their resident memory."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots, self._clock = slots, clock
        self._me = psutil.Process()
        self._total_mib = psutil.virtual_memory().total / MIB
        self._children: list[psutil.Process] = []
        self._listed = float("-inf")
        self._then: float | None = None
        self._cpu_s = 0.0
        self._utilisation: float | None = None

    def __call__(self) -> Use:
        now = self._clock()
        try:
            whole = len(self._children) >= self._slots and all(child.is_running() for child in self._children)
            if not whole or now - self._listed > RELIST_S:
                self._children, self._listed = _descendants(self._me.pid), now
            cpu_s, resident = _taken(self._me)
        except psutil.Error as error:
            logger.warning("utilisation of this device cannot be read: %s", error)
            return Use()
        for child in self._children:
            with suppress(psutil.Error):
                more_cpu_s, more = _taken(child)
                cpu_s, resident = cpu_s + more_cpu_s, resident + more
        return Use(self._since(now, cpu_s), resident / MIB, self._total_mib)

    def _since(self, now: float, cpu_s: float) -> float | None:
        """Utilisation since the last call; None at the first one."""
        if self._then is not None:
            span_s = now - self._then
            if span_s < SHORTEST_SPAN_S:
                return self._utilisation
            self._utilisation = min(max((cpu_s - self._cpu_s) / (span_s * self._slots), 0.0), 1.0)
        self._then, self._cpu_s = now, cpu_s
        return self._utilisation


class GpuUsage:
    """NVML's figures of the GPU with the device's UUID. `nvml` is the binding, by default `pynvml`."""

    def __init__(self, device: Device, nvml: Any = None) -> None:
        self._device, self._nvml = device, nvml
        self._warned = False

    def __call__(self) -> Use:
        rates = self._query(lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu))
        memory = self._query(lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu))
        return Use(
            None if rates is None else rates.gpu / 100,
            None if memory is None else memory.used / MIB,
            None if memory is None else memory.total / MIB,
        )

    def _query(self, query: Callable[[Any, Any], Any]) -> Any:
        """NVML's answer; None if it has none (a GPU that fell off the bus, a MIG slice without such a figure)."""
        try:
            nvml = self._nvml = self._nvml or pynvml()
        except RequestError as error:
            self._warn_once(error)
            return None
        try:
            return query(nvml, nvml.nvmlDeviceGetHandleByUUID(self._device.uuid))
        except nvml.NVMLError as error:
            self._warn_once(error)
            return None

    def _warn_once(self, error: Exception) -> None:
        if not self._warned:
            logger.warning(
                "utilisation of %s cannot be read (logged once): %s",
                self._device.name,
                error,
            )
        self._warned = True


def _descendants(pid: int) -> list[psutil.Process]:
    """Children of a process, their children, and so on.

    Not `psutil.Process.children`, which leaves out a child that seems older than its parent: before psutil 7.1, every
    child that was started after the system's clock was set back.
    """
    parents = {process: process.info["ppid"] for process in psutil.process_iter(["ppid"])}
    found: list[psutil.Process] = []
    wanted = {pid}
    while new := [process for process, parent in parents.items() if parent in wanted and process not in found]:
        found += new
        wanted = {process.pid for process in new}
    return found


def _taken(process: psutil.Process) -> tuple[float, int]:
    """CPU seconds of a process and of its children that have ended, and its resident bytes."""
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system, process.memory_info().rss
