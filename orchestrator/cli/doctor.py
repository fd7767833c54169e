"""`orchestrator doctor`."""

import json
from typing import Annotated

import typer

from orchestrator.cli import checks
from orchestrator.cli.options import DataDir, FleetBroker, Json
from orchestrator.terminal.console import Console
from schemas.contract.check import CheckState
from schemas.contract.errors import ExitCode
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digests, split_paths
from schemas.contract.store_address import STORE_ENV, store_url
from schemas.redis.client import address_of

WIDTH = max(map(len, CheckState))


def doctor(
    broker: FleetBroker = None,
    store: Annotated[
        str | None, typer.Option(help="URL of the fleet's store: s3://BUCKET/PREFIX.", envvar=STORE_ENV)
    ] = None,
    data_dir: DataDir = "data",
    plugins: Annotated[
        str, typer.Option(help="Plug-ins that devices must have, as a run names them.", envvar=PLUGINS_ENV)
    ] = "",
    as_json: Json = False,
) -> None:
    """Check broker, store, disk and every device of a fleet.

    One line per check, with the remedy. Exit code 3 if a run from here would lack something.

    \b
    Example:
      orchestrator doctor --broker redis://127.0.0.1:6379/0
    """
    from orchestrator.runs.doctor import examine

    broker = checks.given_broker(broker)
    address_of(broker)
    url = None if store is None else checks.named("--store", store_url, store)
    console, found = Console(), []
    for check in examine(broker, url, data_dir, plugin_digests(split_paths(plugins))):
        found.append(check)
        if not as_json:
            console.write(f"{check.state:<{WIDTH}}  {check.name}: {check.text}", hanging=" " * (WIDTH + 2))
    faults = sum(check.state is CheckState.FAULT for check in found)
    if as_json:
        typer.echo(json.dumps({"checks": [check.model_dump(mode="json") for check in found], "faults": faults}))
    raise typer.Exit(ExitCode.FAILED if faults else ExitCode.DONE)
