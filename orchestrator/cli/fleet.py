"""`orchestrator fleet`."""

import json
from datetime import UTC, datetime

import typer
from rich.table import Table

from orchestrator.cli import checks
from orchestrator.cli.options import FleetBroker, Json
from orchestrator.terminal.console import Console
from schemas.contract.presence import Presence
from schemas.contract.versions import artifact_versions
from schemas.redis.attempt_id import AttemptId
from schemas.redis.client import connect
from schemas.redis.dead_letters import DeadLetter, Place, read_dead_letters
from schemas.redis.presences import read_presences

SHOWN_LETTERS, SHOWN_CHARACTERS = 5, 60
FAR_S = 0.02
NAMES = {
    Place.QUEUE: "device queues",
    Place.ORDERS: "orders to workers",
    Place.OUTCOMES: "outcomes",
    Place.EVENTS: "events",
    Place.PRESENCE: "heartbeats",
    Place.KEY: "keys of a wrong type",
}


def fleet(broker: FleetBroker = None, as_json: Json = False) -> None:
    """List the devices of a fleet and what they run.

    \b
    Example:
      orchestrator fleet --broker redis://127.0.0.1:6379/0
    """
    unreadable: dict[str, str] = {}
    with connect(checks.broker(broker)) as redis:
        found = list(read_presences(redis, lambda name, reason, _: unreadable.update({name: reason})).values())
        counts, last = read_dead_letters(redis, SHOWN_LETTERS)
    if as_json:
        devices = [presence.model_dump(mode="json") for presence in found]
        letters = {"counts": counts, "last": [letter.model_dump(mode="json") for letter in last]}
        typer.echo(json.dumps({"devices": devices, "unreadable": unreadable, "dead_letters": letters}))
        return
    if not found:
        typer.echo("no worker is online; start one: workers start --broker URL")
    else:
        _show(found)
    for name, reason in list(unreadable.items())[:SHOWN_LETTERS]:
        typer.echo(f"{name.encode('unicode_escape').decode()} sends a heartbeat that cannot be read: {reason}")
    if len(unreadable) > SHOWN_LETTERS:
        typer.echo(f"and {len(unreadable) - SHOWN_LETTERS} more")
    if counts:
        _show_dead_letters(counts, last)


def _show_dead_letters(counts: dict[Place, int], last: list[DeadLetter]) -> None:
    numbers = ", ".join(f"{number} in {NAMES[place]}" for place, number in counts.items())
    typer.echo(f"set aside, because it could not be read: {numbers}; the last:")
    for letter in last:
        at = datetime.fromtimestamp(letter.at).astimezone()
        typer.echo(f"  {at:%Y-%m-%d %H:%M:%S} {letter.key}: {letter.reason}: {letter.body[:SHOWN_CHARACTERS]}")


def _show(found: list[Presence]) -> None:
    table = Table()
    for heading in ("device", "slots", "since", "done", "per second"):
        table.add_column(heading, justify="left" if heading == "device" else "right", no_wrap=heading != "device")
    table.add_column("runs", overflow="fold")
    for presence in found:
        waiting = len(presence.held) - len(presence.running)
        doing = [_work(identity) for identity in presence.running] or ["nothing"]
        doing += [f"{waiting} waiting"] if waiting else []
        doing += ["leaving"] if presence.draining else []
        model = [presence.device.model] if presence.device.model else []
        table.add_row(
            "\n".join([presence.device.name, *model, *_use(presence), *_distance(presence), *_version(presence)]),
            str(presence.device.slots),
            _ago(presence.since),
            str(presence.done),
            f"{presence.rate:.1f}",
            "\n".join(doing),
        )
    Console().print(table)


def _version(presence: Presence) -> list[str]:
    """The worker's version, if it is not this program's; such a worker gets no work from here."""
    version, own = presence.versions.get("gurukul", "unknown"), artifact_versions()["gurukul"]
    return [] if version == own else [f"version {version}, not {own}"]


def _use(presence: Presence) -> list[str]:
    """The device's use and memory in one line; separate columns would not fit into 80 characters."""
    use = [] if presence.utilisation is None else [f"{presence.utilisation:.0%} used"]
    memory = [] if presence.memory_mib is None else [f"{presence.memory_mib:.0f} MiB"]
    return [", ".join(use + memory)] if use or memory else []


def _distance(presence: Presence) -> list[str]:
    """How far away the device is from the broker, if that costs windows time."""
    trip_s = presence.round_trip_s or 0.0
    return [f"{1000 * trip_s:.0f} ms from the broker"] if trip_s >= FAR_S else []


def _work(identity: str) -> str:
    """An attempt's id in words; the id of another program's task unchanged."""
    attempt = AttemptId.parse(identity)
    return identity if attempt is None else f"{attempt.work} of {attempt.run_id}"


def _ago(since: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    hours, minutes = seconds // 3600, seconds // 60
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
