"""What a run needs of its broker, asked in one look before the run opens: commands, channels, clients, memory."""

from collections.abc import Iterable, Iterator

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.broker.embedded import CHECK_S, check
from schemas.contract.broker_address import BrokerAddress, public_url
from schemas.contract.check import Check, CheckState
from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.redis.acl import ORCHESTRATOR, ROLES, WORKER
from schemas.redis.client import address_of, connect
from schemas.redis.rights import rights_checks
from schemas.redis.server_checks import info, server_checks
from schemas.redis.writes import trouble

# Connections, measured: of a run's orchestrator, of each device's worker, of each of its slots.
# A worker keeps 4, and opens one more at times; a slot opens one if its source has a limit of requests.
CLIENTS_OF_RUN, CLIENTS_PER_DEVICE, CLIENTS_PER_SLOT = 4, 5, 1


def check_for_run(url: str, devices: Iterable[Device]) -> tuple[str, ...]:
    """Sentences on what may go wrong on a broker that has all that a run needs.

    RequestError names the first thing that a run on `url`, with local workers on `devices`, would lack there.
    """
    check(url)
    found: list[str] = []
    try:
        with connect(url, timeout_s=CHECK_S) as redis:
            for each in run_checks(redis, address_of(url), tuple(devices)):
                if each.state is CheckState.FAULT:
                    raise RequestError(f"broker {public_url(url)} {each.text}")
                if each.state is CheckState.NOTE:
                    found.append(f"broker {public_url(url)} {each.text}")
    except RedisError as error:
        raise RequestError(f"broker {public_url(url)} {trouble(error)}") from None
    return tuple(found)


def run_checks(redis: Redis, address: BrokerAddress, devices: tuple[Device, ...]) -> Iterator[Check]:
    """All that a run with local workers on `devices` needs of its broker.

    The questions about settings are passed over where the user may not ask them. RedisError without an answer.
    """
    yield from server_checks(redis, address)
    role, user = ORCHESTRATOR | WORKER if devices else ORCHESTRATOR, address.username or ""
    rights = list(rights_checks(redis, address, role))
    is_lacking = any(each.state is CheckState.FAULT for each in rights)
    if is_lacking and devices and user in ROLES and not set(role.commands) <= set(ROLES[user].commands):
        rights = [Check(name="rights", state=CheckState.FAULT, text=_other_role(user))]
    yield from rights
    clients = info(redis, "clients")
    needed = CLIENTS_OF_RUN + sum(CLIENTS_PER_DEVICE + CLIENTS_PER_SLOT * device.slots for device in devices)
    limit, used = clients.get("maxclients"), int(clients.get("connected_clients", 0))
    if limit is None:
        return
    if used + needed > int(limit):
        text = (
            f"allows {limit} clients (maxclients), of which {used} are connected; this run needs {needed}: raise"
            " maxclients, or use fewer --devices"
        )
        yield Check(name="clients", state=CheckState.FAULT, text=text)
    else:
        yield Check(name="clients", state=CheckState.OK, text=f"has {used} of {limit} clients")


def _other_role(user: str) -> str:
    return (
        f"lets its user {user} start no workers; give the broker file of the user gurukul (--broker-file"
        " FOLDER/gurukul.url), or leave the work to a fleet: run --no-local-workers"
    )
