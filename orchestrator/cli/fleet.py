"""`orchestrator fleet` and `orchestrator cancel`."""

import json
import sqlite3
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.table import Table

from orchestrator.cli.options import fail
from orchestrator.cli.run import load_run
from orchestrator.terminal.console import Console
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.presence import Presence
from schemas.redis.attempt_id import AttemptId
from schemas.redis.client import BROKER_ENV, connect

CANCEL_S = 60.0
POLL_S = 0.2

Broker = Annotated[
    str | None, typer.Option(help="redis:// or rediss:// URL of the broker that the fleet shares.", envvar=BROKER_ENV)
]


def fleet(
    broker: Broker = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the devices that are there: what each does, how fast, and since when.

    \b
    Example:
      orchestrator fleet --broker redis://127.0.0.1:6379/0
    """
    from orchestrator.dispatch.presence_reader import presences

    try:
        with connect(answering(broker)) as redis:
            found = list(presences(redis).values())
    except (GurukulError, RedisError) as error:
        raise fail(error) from None
    if as_json:
        typer.echo(json.dumps({"devices": [presence.model_dump(mode="json") for presence in found]}))
    elif not found:
        typer.echo("no worker is there; start some with: workers start --broker URL")
    else:
        _show(found)


def cancel(
    run_id: Annotated[str, typer.Argument(help="The run to stop.")],
    data_dir: Annotated[
        str, typer.Option(help="Folder of bars, models and telemetry.", envvar="GURUKUL_DATA_DIR")
    ] = "data",
    broker: Broker = None,
) -> None:
    """Stop a run, wherever it was started, and end what its windows still compute. No other run is touched.

    \b
    Example:
      orchestrator cancel live_candidate_20260102_030405
    """
    from orchestrator.broker import embedded as brokers
    from orchestrator.dispatch.loop import clear
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.run_lock import is_held

    try:
        if broker is not None:
            brokers.check(broker)
        manifest, layout = load_run(data_dir, run_id)
        ledger = Ledger(layout.ledger)
        if is_held(layout):
            ledger.set(cancelled="yes")
            deadline = time.monotonic() + CANCEL_S
            while is_held(layout):
                if time.monotonic() > deadline:
                    owner = ledger.get("owner")
                    raise GurukulError(f"{owner} has not stopped run {run_id} in {CANCEL_S:.0f} s; it may hang")
                time.sleep(POLL_S)
        status = ledger.get("status")
        if status == "ready-for-review":
            raise GurukulError(f"run {run_id} has ended already, {status}; there is nothing to cancel")
        if status != "cancelled":
            if (url := broker or manifest.config.broker) is not None:
                with connect(url) as redis:
                    clear(redis, run_id, ledger.devices())
            ledger.set(status="cancelled", message="cancelled while nobody ran it")
        ledger.close()
    except (GurukulError, RedisError, sqlite3.Error) as error:
        raise fail(error) from None
    where = "" if data_dir == "data" else f" --data-dir {data_dir}"
    typer.echo(f"run {run_id} is cancelled; to go on: orchestrator resume {run_id}{where}")


def answering(broker: str | None) -> str:
    """The URL of the broker that was asked for; RequestError if none was, or if it does not answer."""
    from orchestrator.broker import embedded as brokers

    if broker is None:
        raise RequestError(f"no broker: give --broker redis://HOST:PORT/0 or set {BROKER_ENV}")
    brokers.check(broker)
    return broker


def _show(found: list[Presence]) -> None:
    table = Table()
    for heading in ("device", "slots", "since", "done", "a second"):
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
    """What is known of the device's use and memory, in one line or none: a column each would not fit a terminal."""
    use = [] if presence.utilisation is None else [f"{presence.utilisation:.0%} used"]
    memory = [] if presence.memory_mib is None else [f"{presence.memory_mib:.0f} MiB"]
    return [", ".join(use + memory)] if use or memory else []


def _work(identity: str) -> str:
    """An attempt's id in words; the id of another program's task as it is."""
    attempt = AttemptId.parse(identity)
    return identity if attempt is None else f"{attempt.work} of {attempt.run_id}"


def _ago(since: datetime) -> str:
    seconds = max(int((datetime.now(UTC) - since).total_seconds()), 0)
    hours, minutes = seconds // 3600, seconds // 60
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min" if minutes else f"{seconds} s"
