"""`orchestrator fleet`."""

import json
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from redis import Redis
from rich.table import Table
from rich.text import Text

from orchestrator.cli import checks
from orchestrator.cli.options import FleetBroker, Json
from orchestrator.cli.output import plural
from orchestrator.dispatch.fleet_report import FleetReport, other_versions, read_fleet, waiting
from orchestrator.terminal.console import Console
from schemas.contract.errors import RequestError
from schemas.contract.presence import Presence
from schemas.redis.attempt_id import in_words
from schemas.redis.client import connect
from schemas.redis.dead_letters import PLACES, DeadLetter, Place
from schemas.redis.presences import cordon, read_presences, read_standing, uncordon

SHOWN_LETTERS, SHOWN_CHARACTERS = 5, 60
DRAIN_LOOK_S = 0.25
# From so many columns on, the table has room for ids of work.
WIDE = 120
# Longer names of devices have lines of their own in a narrow terminal.
LONG_NAME = 24


class FleetAction(StrEnum):
    """What may be done with devices."""

    DRAIN = "drain"
    CORDON = "cordon"
    UNCORDON = "uncordon"


def fleet(
    action: Annotated[FleetAction | None, typer.Argument(help="If omitted: list the devices.")] = None,
    names: Annotated[list[str] | None, typer.Argument(help="Devices, such as gpu0@beta.")] = None,
    broker: FleetBroker = None,
    as_json: Json = False,
) -> None:
    """List the devices of a fleet and what they run, or drain some.

    `cordon`: they get no work of any run, finish what they run, and what waits there goes elsewhere. `drain` also waits
    until they run nothing. `uncordon` ends both. The broker keeps it until then, also while they are offline.

    \b
    Examples:
      orchestrator fleet --broker redis://127.0.0.1:6379/0
      orchestrator fleet drain gpu0@beta --broker redis://127.0.0.1:6379/0
    """
    url = checks.broker(broker)
    if action is None:
        _list(url, as_json)
    elif not names:
        raise RequestError(f"{action} needs the name of a device; list them: orchestrator fleet")
    else:
        with connect(url) as redis:
            _act(redis, action, names)


def _act(redis: Redis, action: FleetAction, names: list[str]) -> None:
    """Carry out an action on devices that are online or cordoned; RequestError names the others."""
    online, (_, cordoned) = read_presences(redis), read_standing(redis, ())
    known = cordoned if action is FleetAction.UNCORDON else online.keys() | cordoned
    if unknown := sorted(set(names) - known):
        what = "not cordoned" if action is FleetAction.UNCORDON else "not online"
        others = f"; these are: {', '.join(sorted(known))}" if known else "; none is"
        raise RequestError(f"{', '.join(unknown)}: {what}{others}")
    if action is FleetAction.UNCORDON:
        uncordon(redis, names)
    else:
        cordon(redis, names)
    while action is FleetAction.DRAIN and (left := _running(redis, names)):
        typer.echo(f"waiting for {', '.join(left)}", err=True)
        while _running(redis, names) == left:
            time.sleep(DRAIN_LOOK_S)
    did = {"drain": "drained: nothing runs there", "cordon": "cordoned", "uncordon": "uncordoned"}[action]
    typer.echo(f"{', '.join(names)}: {did}")


def _running(redis: Redis, names: list[str]) -> list[str]:
    """What these devices run by their last heartbeats, in words; also what they have taken and not begun."""
    found = read_presences(redis)
    return [
        f"{in_words(identity)} on {name}"
        for name in names
        if name in found
        for identity in sorted({*found[name].running, *found[name].held})
    ]


def _list(url: str, as_json: bool) -> None:
    with connect(url) as redis:
        found = read_fleet(redis, SHOWN_LETTERS)
    if as_json:
        typer.echo(json.dumps(_as_json(found)))
        return
    if not found.devices:
        typer.echo("no worker is online; start one: workers start --broker URL")
    else:
        _show_devices(Console(), found)
    for run_id, share in found.runs.items():
        typer.echo(f"run {run_id}, priority {share.priority:g}: {plural(share.wanted, 'attempt')} running or waiting")
    if found.away:
        typer.echo(f"cordoned and not online: {', '.join(found.away)}; to forget: orchestrator fleet uncordon NAME")
    for name, reason in list(found.unreadable.items())[:SHOWN_LETTERS]:
        typer.echo(f"{name.encode('unicode_escape').decode()} sends a heartbeat that cannot be read: {reason}")
    if len(found.unreadable) > SHOWN_LETTERS:
        typer.echo(f"and {len(found.unreadable) - SHOWN_LETTERS} more")
    if found.letters:
        _show_dead_letters(found.letters, found.last)


def _show_devices(console: Console, found: FleetReport) -> None:
    """Print the table; in a narrow terminal, where ids of work would be broken, these follow it."""
    is_narrow = console.is_terminal and console.width < WIDE
    has_long_names = is_narrow and max(map(len, found.devices)) > LONG_NAME
    console.table(device_table(found, with_work=not is_narrow), names=0 if has_long_names else None)
    for name, presence in found.devices.items() if is_narrow else ():
        for identity in presence.running:
            console.print(Text(f"{name}: {in_words(identity)}"), soft_wrap=True)


def _as_json(found: FleetReport) -> dict[str, Any]:
    return {
        "devices": [presence.model_dump(mode="json") for presence in found.devices.values()],
        "cordoned": sorted(found.cordoned),
        "reserved": found.reserved,
        "runs": {run_id: share.model_dump(mode="json") for run_id, share in found.runs.items()},
        "unreadable": found.unreadable,
        "dead_letters": {
            "counts": found.letters,
            "last": [letter.model_dump(mode="json") for letter in found.last],
        },
    }


def _show_dead_letters(counts: dict[Place, int], last: list[DeadLetter]) -> None:
    numbers = ", ".join(f"{number} in {PLACES[place]}" for place, number in counts.items())
    typer.echo(f"set aside, because it could not be read: {numbers}; the last:")
    for letter in last:
        at = datetime.fromtimestamp(letter.at).astimezone()
        typer.echo(f"  {at:%Y-%m-%d %H:%M:%S} {letter.key}: {letter.reason}: {letter.body[:SHOWN_CHARACTERS]}")


def device_table(found: FleetReport, *, with_work: bool = True) -> Table:
    """A row per device: what it is, how much it has done, what it runs or how much, and why it gets no work."""
    table = Table()
    for heading in ("device", "slots", "since", "done", "per second"):
        table.add_column(heading, justify="left" if heading == "device" else "right", no_wrap=heading != "device")
    table.add_column("runs", overflow="fold")
    for name, presence in found.devices.items():
        work = [in_words(identity) for identity in presence.running]
        doing = (work if with_work else [plural(len(work), "attempt")] if work else []) or ["nothing"]
        doing += [f"{number} waiting"] if (number := waiting(presence)) else []
        model = [presence.device.model] if presence.device.model else []
        distance = [presence.distance] if presence.distance else []
        table.add_row(
            # Text, in which a name is no markup.
            Text("\n".join([name, *model, *_use(presence), *distance])),
            str(presence.device.slots),
            _ago(presence.since),
            str(presence.done),
            f"{presence.rate:.1f}",
            Text(",\n".join([*doing, *found.states(name), *other_versions(presence)])),
        )
    return table


def _use(presence: Presence) -> list[str]:
    """The device's use and memory in one line; separate columns would not fit into 80 characters."""
    use = [] if presence.utilisation is None else [f"{presence.utilisation:.0%} used"]
    memory = [] if presence.memory_mib is None else [f"{presence.memory_mib:.0f} MiB"]
    return [", ".join(use + memory)] if use or memory else []


def _ago(since: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    hours, minutes = seconds // 3600, seconds // 60
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
