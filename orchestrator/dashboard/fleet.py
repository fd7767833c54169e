"""Page Fleet: the devices that report to the broker."""

from typing import Any

from redis.exceptions import RedisError

from orchestrator.dashboard.rendering import Cell, bar, mark
from schemas.contract.errors import GurukulError
from schemas.contract.presence import Presence
from schemas.redis.attempt_id import in_words
from schemas.redis.client import connect
from schemas.redis.dead_letters import read_dead_letters
from schemas.redis.presences import read_presences, read_standing
from schemas.redis.writes import trouble

SHOWN_WORK, SHOWN_LETTERS = 4, 20


def devices_of(broker: str) -> list[Presence]:
    """The devices whose heartbeat is valid; GurukulError without an answer."""
    try:
        with connect(broker) as redis:
            return list(read_presences(redis).values())
    except RedisError as error:
        raise GurukulError(f"the broker {trouble(error)}") from None


def fleet_facts(broker: str) -> dict[str, Any]:
    """What the page shows of a broker; GurukulError without an answer."""
    unreadable: dict[str, str] = {}
    try:
        with connect(broker) as redis:
            found = read_presences(redis, lambda name, reason, _: unreadable.update({name: reason}))
            _, cordoned = read_standing(redis, ())
            counts, letters = read_dead_letters(redis, SHOWN_LETTERS)
    except RedisError as error:
        raise GurukulError(f"the broker {trouble(error)}") from None
    return {
        "devices": [_row(each, cordoned) for each in found.values()],
        "away": sorted(cordoned - found.keys()),
        "unreadable": sorted(unreadable.items()),
        "letters": {place.value: count for place, count in counts.items() if count},
        "last": letters,
    }


def _row(presence: Presence, cordoned: set[str]) -> tuple[Cell, ...]:
    """A device's row: name, what it is, state, slots, work, rate, use, memory, distance."""
    device = presence.device
    state = (
        "draining"
        if presence.draining
        else "cordoned"
        if device.name in cordoned
        else ("running" if presence.running else "free")
    )
    work = [in_words(identity) for identity in presence.running[:SHOWN_WORK]]
    more = f" and {len(presence.running) - SHOWN_WORK} more" if len(presence.running) > SHOWN_WORK else ""
    memory = None
    if presence.memory_mib is not None:
        total = f" of {presence.memory_total_mib:,.0f}" if presence.memory_total_mib is not None else ""
        memory = f"{presence.memory_mib:,.0f}{total}"
    return (
        device.name, mark(state), str(device.slots), f"{presence.done:,}", f"{presence.rate:.2f}",
        None if presence.utilisation is None else bar(presence.utilisation, f"use of {device.name}"), memory,
        presence.distance or None, ", ".join(work) + more,
    )  # fmt: skip
