"""What the orchestrator asks a worker process before it writes anything, and the answer."""

from schemas.base import Frozen
from schemas.config import Interval
from schemas.coverage import Coverage
from schemas.device import Device
from schemas.names import Symbol


class PreflightRequest(Frozen):
    """Which devices to find (none: do not look), and which symbols to read once (none named: all of the source)."""

    devices: str | None
    read_source: bool
    source: str
    interval: Interval
    timezone: str
    symbols: tuple[Symbol, ...]


class PreflightReport(Frozen):
    """Devices and coverage, or one sentence on why the request cannot be run."""

    devices: tuple[Device, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    passed_over: tuple[str, ...] = ()
    error: str | None = None
