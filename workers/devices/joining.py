"""What a host brings when its workers join a fleet, and what it lacks."""

import logging
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from schemas.contract.broker_address import public_url
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.folders import Folders
from schemas.contract.versions import artifact_versions
from schemas.redis.client import connect

logger = logging.getLogger(__name__)

GIB = 1 << 30
# Below this a window's artifacts and temporary files may find no room.
LEAST_FREE_GIB = 1.0
# The lease of a run allows for less between hosts, and times of hosts stand side by side in events and rows.
MOST_SKEW_S = 5.0


def join(devices: Iterable[Device], folders: Folders, broker: str) -> None:
    """Log what this host offers the fleet of a broker. RequestError if its disk is full; a warning for a wrong clock.

    A broker that does not answer is not reported here, but by what serves the devices.
    """
    free_gib = _free_gib(Path(folders.data_dir))
    if free_gib < LEAST_FREE_GIB:
        where = Path(folders.data_dir).absolute()
        raise RequestError(
            f"{where} has {free_gib:.2f} GiB free, and workers need {LEAST_FREE_GIB:g}; free some, or choose another"
            " --data-dir"
        )
    names = ", ".join(f"{each.name} ({each.slots} slots)" for each in devices)
    store = f"store {folders.store}" if folders.store else f"data folder {Path(folders.data_dir).absolute()}"
    version = artifact_versions()["gurukul"]
    logger.info("joins %s: %s; %s, %.0f GiB free; gurukul %s", public_url(broker), names, store, free_gib, version)
    with suppress(RedisError):
        skew_s = _clock_skew_s(broker)
        if abs(skew_s) > MOST_SKEW_S:
            logger.warning(
                "the clock of this host is %.0f s %s that of the broker; set both by a time server (NTP)",
                abs(skew_s), "ahead of" if skew_s > 0 else "behind",
            )  # fmt: skip


def _free_gib(folder: Path) -> float:
    """GiB that are free where a folder is, or would be made."""
    path = folder.absolute()
    return shutil.disk_usage(next(each for each in (path, *path.parents) if each.exists())).free / GIB


def _clock_skew_s(broker: str) -> float:
    """Seconds by which this host's clock is ahead of the broker's, less half of the round trip."""
    with connect(broker, timeout_s=3.0) as redis:
        began = time.time()
        seconds, microseconds = redis.time()
        ended = time.time()
    return (began + ended) / 2 - (float(seconds) + float(microseconds) / 1e6)
