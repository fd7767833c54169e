"""What a host brings when its workers join a fleet, and what it lacks."""

import logging
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from redis.exceptions import RedisError

from schemas.contract.broker_address import public_url
from schemas.contract.check import Check, CheckState
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.folders import Folders
from schemas.contract.plugin_source import plugin_digests, plugins_of_environment, shown
from schemas.contract.versions import artifact_versions
from schemas.files.free_space import free_gib, free_space_check
from schemas.redis.acl import WORKER
from schemas.redis.client import address_of, connect
from schemas.redis.connection_fault import broker_fault, is_lasting
from schemas.redis.rights import rights_checks
from schemas.redis.server_checks import clock_check, server_checks
from schemas.redis.signing import fleet_key

logger = logging.getLogger(__name__)

CHECK_S = 3.0


def join(devices: Iterable[Device], folders: Folders, broker: str) -> None:
    """Log what this host offers the fleet of a broker, and a warning for each risk.

    RequestError for a full disk, or a broker that no run can use or that refuses this host. One that does not answer
    may be starting, and is reported by what serves the devices.
    """
    where = str(Path(folders.data_dir).absolute())
    disk = free_space_check(where, free := free_gib(where))
    if disk.state is CheckState.FAULT:
        raise RequestError(disk.text)
    found: list[tuple[str, Check]] = []
    try:
        with connect(broker, timeout_s=CHECK_S) as redis:
            address = address_of(broker)
            checks = chain(server_checks(redis, address), rights_checks(redis, address, WORKER))
            found = [(f"broker {public_url(broker)}", each) for each in checks]
            found.append(("the clock of this host", clock_check(redis)))
    except RedisError as error:
        if is_lasting(error, broker):
            raise RequestError(broker_fault(error, broker)) from None
    if fault := next((f"{what} {check.text}" for what, check in found if check.state is CheckState.FAULT), None):
        raise RequestError(fault)
    names = ", ".join(f"{each.name} ({each.slots} slot{'s' * (each.slots != 1)})" for each in devices)
    store = f"store {folders.store}" if folders.store else f"data folder {where}"
    version = artifact_versions()["gurukul"]
    signs = f"messages are signed (key {', '.join(key.names)})" if (key := fleet_key()) else "messages are not signed"
    plugins = "".join(f"; plug-in {shown(name)}" for name in plugin_digests(plugins_of_environment()))
    text = "joins %s: %s; %s, %.0f GiB free; gurukul %s; %s%s"
    logger.info(text, public_url(broker), names, store, free, version, signs, plugins)
    for what, check in found:
        if check.state is CheckState.NOTE:
            logger.warning("%s %s", what, check.text)
