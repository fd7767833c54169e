"""A device that trains windows: a GPU, or a group of CPU slots."""

import re
from enum import StrEnum

from pydantic import Field

from schemas.contract.base import Frozen

MIB = 2**20

# Names the device that a worker process serves, as JSON.
DEVICE_ENV = "GURUKUL_DEVICE"


class DeviceKind(StrEnum):
    """The hardware of a device."""

    CPU = "cpu"
    GPU = "gpu"


class DeviceRequest(Frozen):
    """A parsed `--devices` value: `auto`, GPU indices, or a number of CPU devices with slots each."""

    auto: bool = False
    gpus: tuple[int, ...] = ()
    cpu_devices: int = 0
    cpu_slots: int = 0


class Device(Frozen):
    """A device that trains. `name` is unique in a fleet and is also its queue's name.

    `memory_mib` is its total memory, free or not: a GPU's own; for a CPU device, that of the whole host.
    """

    name: str
    kind: DeviceKind
    slots: int = Field(ge=1, le=10_000)
    uuid: str | None = None
    model: str | None = None
    cpu_affinity: tuple[int, ...] = ()
    memory_mib: int | None = None


def parse_devices(text: str) -> DeviceRequest:
    """Parse `auto`, `gpu:0,1` or `cpu:2x4` (two devices of four slots); ValueError names the accepted forms."""
    if text == "auto":
        return DeviceRequest(auto=True)
    if match := re.fullmatch(r"gpu:(\d+(?:,\d+)*)", text):
        indices = tuple(int(i) for i in match[1].split(","))
        if len(set(indices)) != len(indices):
            raise ValueError(f"devices {text!r} names a GPU twice")
        return DeviceRequest(gpus=indices)
    if match := re.fullmatch(r"cpu:([1-9]\d{0,2})x([1-9]\d{0,2})", text):
        return DeviceRequest(cpu_devices=int(match[1]), cpu_slots=int(match[2]))
    raise ValueError(f"devices {text!r} is not one of: auto, gpu:0,1, cpu:2x4 (two devices of four slots)")
