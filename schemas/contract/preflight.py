"""What the orchestrator asks a worker process before it writes anything, and the answer."""

from pydantic import Field

from schemas.config.bars import BarsSettings
from schemas.contract.base import Frozen
from schemas.contract.device import Device
from schemas.contract.identifiers import Symbol
from schemas.contract.requests import Answer
from schemas.contract.task import Ingested


class PreflightRequest(Frozen):
    """Which devices to find (none: do not look), and which symbols of which bars to look for (none named: all).

    `trains`: workers of this host will train, so what that needs must be installed here.
    `read`: judge every symbol's bars as well, storing nothing.
    """

    devices: str | None
    bars: BarsSettings | None
    symbols: tuple[Symbol, ...]
    read: bool
    data_dir: str
    trains: bool = False


class PreflightReport(Answer):
    """Devices, symbols and, if asked for, what became of each; or one sentence on why the request cannot be run."""

    devices: tuple[Device, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    ingested: dict[str, Ingested] = Field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
