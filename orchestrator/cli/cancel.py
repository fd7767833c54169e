"""`orchestrator cancel`."""

import os
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from redis.exceptions import RedisError

from orchestrator.cli.options import DataDir, FleetBroker, NamedRun
from orchestrator.cli.run_choice import whole_id
from schemas.contract.artifact import RunManifest
from schemas.contract.broker_address import public_url
from schemas.contract.command_line import command_line
from schemas.contract.errors import GurukulError, RequestError, RunNotFoundError
from schemas.contract.machine import this_machine
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.files.run_files import open_run
from schemas.redis.broker_file import recorded_broker
from schemas.redis.client import connect

if TYPE_CHECKING:
    from orchestrator.ledger.ledger import Ledger

CANCEL_S = 60.0
POLL_S = 0.2


def cancel(run_id: NamedRun, data_dir: DataDir = "data", broker: FleetBroker = None) -> None:
    """Stop a run, also one of another host.

    Attempts that still run are ended. Other runs are not affected. The run itself confirms that it has stopped; without
    its folder here, `--broker` is enough.

    \b
    Example:
      orchestrator cancel live_candidate_20260102_030405
    """
    from orchestrator.broker import embedded
    from orchestrator.ledger.run_lock import is_held
    from orchestrator.store.run_store import RunStore

    if broker is not None:
        embedded.check(broker)
    run_id = _whole_id(data_dir, run_id, broker)
    try:
        manifest, layout = open_run(data_dir, run_id)
    except RunNotFoundError:
        if broker is None:
            raise
        if not _cancelled_by_broker(broker, run_id, None):
            raise RequestError(
                f"no process runs a run {run_id} on {public_url(broker)}, and it is not under {data_dir}; there is"
                " nothing to cancel"
            ) from None
        return
    if broker is not None:
        if _cancelled_by_broker(broker, run_id, manifest):
            return
    elif (url := recorded_broker(manifest.config)) is not None:
        # It may be away, or have a password that is not recorded; the folder and the store are other ways.
        with suppress(RedisError):
            if _cancelled_by_broker(url, run_id, manifest):
                return
    store = RunStore.of(manifest.config, layout)
    if store is not None and not is_held(layout) and store.lease.cancel_elsewhere(CANCEL_S):
        typer.echo(f"run {run_id} is cancelled on its host")
        return
    _cancel_by_ledger(manifest, layout, data_dir, broker)


def _whole_id(data_dir: str, given: str, broker: str | None) -> str:
    """The id of a run that is on the broker, else one that is stored here and contains `given`."""
    from orchestrator.ledger.run_name import holder_of

    if broker is not None:
        with connect(broker) as redis:
            if holder_of(redis, given) is not None:
                return given
    return whole_id(data_dir, given)


def _cancelled_by_broker(url: str, run_id: str, manifest: RunManifest | None) -> bool:
    """Have the process that runs the run stop it; False if none does, or if it runs another run of that name."""
    from orchestrator.ledger.run_lock import is_held
    from orchestrator.ledger.run_name import cancel_holder, holder_of

    with connect(url) as redis:
        holder = holder_of(redis, run_id)
        if holder is None or (manifest is not None and holder.created != manifest.created):
            return False
        if holder.machine == this_machine() and not is_held(RunLayout(Path(holder.folder))):
            return False  # it was killed; its name expires soon
        ended = cancel_holder(redis, run_id, CANCEL_S)
    if ended is None:
        return False
    if ended is not RunStatus.CANCELLED:
        raise RequestError(f"run {run_id} ended as {ended} before it could be cancelled; there is nothing to cancel")
    command = command_line("resume", run_id, data_dir=RunLayout(Path(holder.folder)).data_dir)
    typer.echo(f"run {run_id} is cancelled; to continue on {holder.host}: {command}")
    return True


def _cancel_by_ledger(manifest: RunManifest, layout: RunLayout, data_dir: str, broker: str | None) -> None:
    """Ask the process that runs the run by its folder, or record the end of a run that no process runs."""
    from orchestrator.dispatch.broker_fleet import clear
    from orchestrator.ledger.ledger import Ledger

    run_id = manifest.run_id
    if not os.access(layout.ledger, os.W_OK) or not os.access(layout.folder, os.W_OK):
        raise RequestError(f"{layout.folder} is read-only here; cancel the run under the account and host that run it")
    with closing(Ledger(layout.ledger)) as ledger:
        _ask_owner(ledger, layout)
        condition = ledger.condition()
        if condition.status in (RunStatus.READY, RunStatus.FAILED):
            raise RequestError(f"run {run_id} has ended already, {condition}; there is nothing to cancel")
        if condition.status is not RunStatus.CANCELLED:
            if (url := broker or recorded_broker(manifest.config)) is not None:
                with connect(url) as redis:
                    clear(redis, run_id, ledger.devices())
            ledger.set(status=RunStatus.CANCELLED, message="cancelled while no process ran it")
        command = ledger.condition().next_command(run_id, data_dir)
    typer.echo(f"run {run_id} is cancelled; to continue: {command}")


def _ask_owner(ledger: "Ledger", layout: RunLayout) -> None:
    """Have a process that runs the run stop it, and wait for that; GurukulError if it does not."""
    from orchestrator.ledger.run_lock import is_held

    def goes_on() -> bool:
        # A lock does not reach another host; there the heartbeat counts.
        return is_held(layout) or ledger.condition().status.is_active

    if not goes_on():
        return
    ledger.set(cancelled="yes")
    deadline = time.monotonic() + CANCEL_S
    while goes_on():
        if time.monotonic() > deadline:
            raise GurukulError(
                f"run {layout.folder.name} was not reached: {ledger.owner()} has not stopped it in {CANCEL_S:.0f} s;"
                " it may hang, or not see this folder; cancel it on that host"
            )
        time.sleep(POLL_S)
