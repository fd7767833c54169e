"""`orchestrator fleet`."""

import json
from datetime import UTC, datetime

import typer
from rich.table import Table

from orchestrator.cli import checks
from orchestrator.cli.options import FleetBroker, Json
from orchestrator.terminal.console import Console
from schemas.contract.presence import Presence
from schemas.redis.attempt_id import AttemptId
from schemas.redis.client import connect


def fleet(broker: FleetBroker = None, as_json: Json = False) -> None:
    """List the devices of a fleet and what they run.

    \b
    Example:
      orchestrator fleet --broker redis://127.0.0.1:6379/0
    """
    from schemas.redis.presences import read_presences

    with connect(checks.broker(broker)) as redis:
        found = list(read_presences(redis).values())
    if as_json:
        typer.echo(json.dumps({"devices": [presence.model_dump(mode="json") for presence in found]}))
    elif not found:
        typer.echo("no worker is online; start one: workers start --broker URL")
    else:
        _show(found)


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
            "\n".join([presence.device.name, *model, *_use(presence)]),
            str(presence.device.slots),
            _ago(presence.since),
            str(presence.done),
            f"{presence.rate:.1f}",
            "\n".join(doing),
        )
    Console().print(table)


def _use(presence: Presence) -> list[str]:
    """The device's use and memory in one line; separate columns would not fit into 80 characters."""
    use = [] if presence.utilisation is None else [f"{presence.utilisation:.0%} used"]
    memory = [] if presence.memory_mib is None else [f"{presence.memory_mib:.0f} MiB"]
    return [", ".join(use + memory)] if use or memory else []


def _work(identity: str) -> str:
    """An attempt's id in words; the id of another program's task unchanged."""
    attempt = AttemptId.parse(identity)
    return identity if attempt is None else f"{attempt.work} of {attempt.run_id}"


def _ago(since: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    hours, minutes = seconds // 3600, seconds // 60
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
