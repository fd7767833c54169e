"""A worker's heartbeat."""

from typing import Any, Self

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.device import Device
from schemas.contract.folders import Folders
from schemas.contract.instant import Instant

PRESENCE_INTERVAL_S = 1.5
PRESENCE_EXPIRY_S = 5.0
# A slow link delays heartbeats by some round trips, when packets are lost; no link makes a device silent for long.
ROUND_TRIPS, MOST_MORE_S = 4, 5.0
# From so long a round trip on, the distance costs windows time.
FAR_S = 0.02

# Of a store's last error, so much is in each heartbeat.
LONGEST_ERROR = 500
SUMMED = ("fetched", "fetched_bytes", "stored", "stored_bytes", "kept", "errors", "seconds")


def expiry_s(round_trip_s: float) -> float:
    """Seconds for which a heartbeat is valid that took so long to deliver."""
    return PRESENCE_EXPIRY_S + min(ROUND_TRIPS * round_trip_s, MOST_MORE_S)


class StoreUse(Frozen):
    """What a worker has moved to and from its store: objects, bytes, requests that failed, and seconds of requests.

    `kept` counts the objects that a task did not fetch because their copies were in the data folder, fetched ahead or
    earlier. `failed_at` is when a request failed last, `last_error` the error that requests began to fail with then.
    `is_failing`: the last request of all failed; None if there was none.
    """

    fetched: int = 0
    fetched_bytes: int = 0
    stored: int = 0
    stored_bytes: int = 0
    kept: int = 0
    errors: int = 0
    seconds: float = 0.0
    last_error: str = Field("", max_length=LONGEST_ERROR)
    failed_at: Instant | None = None
    is_failing: bool | None = None

    def __add__(self, later: Self) -> Self:
        """This and what was moved later."""
        sums = {name: getattr(self, name) + getattr(later, name) for name in SUMMED}
        if later.is_failing is None:
            return self.model_copy(update=sums)
        changed: dict[str, Any] = {"is_failing": later.is_failing}
        if later.failed_at is not None:
            goes_on = self.is_failing and later.is_failing
            changed |= {"failed_at": later.failed_at, "last_error": self.last_error if goes_on else later.last_error}
        return self.model_copy(update=sums | changed)


class Presence(Frozen):
    """What a worker reports about itself: device, process, versions that decide its results, and attempts.

    `machine` identifies the operating system and process namespace of `pid`; empty in an earlier version's heartbeat.
    `beats` counts the heartbeats of this process, so that no two are the same; `sent_s` is the broker's Unix time, as
    far as the worker knows it; `keys` names the keys whose signatures it accepts. `round_trip_s` is what the last one
    took, None for the first; `distance_s` the shortest of the last ones, which no busy moment makes longer.
    `transfer_s` is how long the files of a window usually take from and to the store, in all. `clock_ahead_s` is how
    far the host's clock was ahead of the broker's then. `free_gib` is what is free on the disk of its data folder.
    `held` has the ids of all attempts that the worker has received, `running` those that a pool child works on. `done`
    counts attempts that ended since the worker started, `rate` those per second over the last minute. A draining worker
    finishes what runs and accepts nothing more. `folders` are those that it was started for; None: an earlier version's
    worker, which names none. `utilisation` is the share of the device in use since the last
    heartbeat, 0 to 1. Memory is the device's for a GPU; on CPU slots it is what the worker and its children use of the
    host's. `plugins` has the digest of each plug-in file that it was started with, by name; `calls` the place in one
    where an attempt was when the heartbeat was made, by its id. `store` is what it has
    moved since it started; None without a store, or from an earlier version's worker.
    """

    device: Device
    host: str
    pid: int
    beats: int = 0
    sent_s: float = 0.0
    keys: tuple[str, ...] = ()
    round_trip_s: float | None = None
    distance_s: float | None = None
    transfer_s: float = 0.0
    clock_ahead_s: float | None = None
    free_gib: float | None = None
    machine: str = ""
    since: Instant
    versions: dict[str, str] = Field(default_factory=dict)
    held: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    done: int = 0
    rate: float = 0.0
    utilisation: float | None = None
    memory_mib: float | None = None
    memory_total_mib: float | None = None
    draining: bool = False
    folders: Folders | None = None
    plugins: dict[str, str] = Field(default_factory=dict)
    calls: dict[str, str] = Field(default_factory=dict)
    store: StoreUse | None = None

    @property
    def distance(self) -> str:
        """How far away the device is from the broker; empty if that costs no time."""
        trip_s = self.distance_s or 0.0
        return f"{1000 * trip_s:.0f} ms from the broker" if trip_s >= FAR_S else ""
