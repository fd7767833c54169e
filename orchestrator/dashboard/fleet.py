"""Page Fleet: the devices that report to the broker, and the runs that share them."""

from datetime import UTC, datetime

from markupsafe import Markup
from redis.exceptions import RedisError

from orchestrator.dashboard.rendering import Cell, bar, code, listed, mark, part, when
from orchestrator.dashboard.stream import Parts
from orchestrator.dispatch.fleet_report import FleetReport, other_versions, read_fleet, waiting
from schemas.contract.errors import GurukulError
from schemas.contract.presence import Presence
from schemas.redis.attempt_id import AttemptId, in_words
from schemas.redis.client import connect
from schemas.redis.dead_letters import PLACES
from schemas.redis.presences import read_presences
from schemas.redis.writes import trouble

SHOWN_WORK, SHOWN_LETTERS = 4, 20


def devices_of(broker: str) -> list[Presence]:
    """The devices whose heartbeat is valid; GurukulError without an answer."""
    try:
        with connect(broker) as redis:
            return list(read_presences(redis).values())
    except RedisError as error:
        raise GurukulError(f"the broker {trouble(error)}") from None


def fleet_parts(broker: str | None) -> Parts:
    """The one part of the page, as it is now; without a broker, how to start the dashboard with one."""
    if broker is None:
        return {"devices": part("fleet_none")}
    try:
        with connect(broker) as redis:
            found = read_fleet(redis, SHOWN_LETTERS)
    except (RedisError, GurukulError) as error:
        sentence = f"The broker {trouble(error)}." if isinstance(error, RedisError) else f"{error}."
        return {"devices": part("fleet_trouble", trouble=sentence)}
    last = [(_time(each.at), PLACES[each.place], code(each.key), each.reason) for each in found.last]
    return {
        "devices": part(
            "fleet_devices",
            devices=[_row(found, name, each) for name, each in found.devices.items()],
            runs=[(run_id, f"{share.priority:g}", f"{share.wanted:,}") for run_id, share in found.runs.items()],
            away=found.away,
            unreadable=sorted(found.unreadable.items()),
            letters=[(f"{count:,}", PLACES[place]) for place, count in found.letters.items() if count],
            last=last,
        )
    }


def _time(unix_s: int) -> str:
    return when(datetime.fromtimestamp(unix_s, UTC))


def _beside(text: str) -> Cell:
    """A remark below the name of a row, which may wrap; None without one."""
    return Markup('<span class="beside">{}</span>').format(text) if text else None


def _work(identity: str) -> Cell:
    """An attempt in words, the name of its window in one piece."""
    attempt = AttemptId.parse(identity)
    if attempt is None or attempt.name == attempt.run_id:
        return in_words(identity)
    return Markup('{} <span class="name">{}</span> of {}').format(attempt.role, attempt.name, attempt.run_id)


def _row(found: FleetReport, name: str, presence: Presence) -> tuple[Cell, ...]:
    """A device's row: name and distance, state, slots, waiting, done, rate, use, memory, work."""
    states: list[Cell] = [mark(each, "wait") for each in found.states(name)]
    if versions := other_versions(presence):
        states += [mark("other versions", "wait"), "; ".join(versions)]
    work = [_work(identity) for identity in presence.running[:SHOWN_WORK]]
    work += [f"and {len(presence.running) - SHOWN_WORK} more"] if len(presence.running) > SHOWN_WORK else []
    memory = None
    if presence.memory_mib is not None:
        total = f" of {presence.memory_total_mib:,.0f}" if presence.memory_total_mib is not None else ""
        memory = f"{presence.memory_mib:,.0f}{total}"
    return (
        listed([name, _beside(presence.distance)], "<br>"),
        listed(states or [mark("running" if presence.running else "free")], "<br>"),
        str(presence.device.slots), f"{waiting(presence):,}", f"{presence.done:,}", f"{presence.rate:.2f}",
        None if presence.utilisation is None else bar(presence.utilisation, f"use of {name}"), memory,
        listed(work, "<br>"),
    )  # fmt: skip
