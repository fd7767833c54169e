"""`orchestrator cancel`."""

import os
import time

import typer

from orchestrator.cli.options import DataDir, FleetBroker, RunArgument
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.run import RunStatus
from schemas.files.run_files import open_run
from schemas.redis.broker_file import recorded_broker
from schemas.redis.client import connect

CANCEL_S = 60.0
POLL_S = 0.2


def cancel(run_id: RunArgument, data_dir: DataDir = "data", broker: FleetBroker = None) -> None:
    """Stop a run, also one that was started on another machine.

    Attempts that still run are ended. Other runs are not affected.

    \b
    Example:
      orchestrator cancel live_candidate_20260102_030405
    """
    from orchestrator.broker import embedded
    from orchestrator.dispatch.broker_fleet import clear
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.run_lock import is_held
    from orchestrator.store.run_store import RunStore

    if broker is not None:
        embedded.check(broker)
    manifest, layout = open_run(data_dir, run_id)
    store = RunStore.of(manifest.config, layout)
    if store is not None and store.lease.cancel_elsewhere(CANCEL_S):
        typer.echo(f"run {run_id} is cancelled on its host")
        return
    if not os.access(layout.ledger, os.W_OK) or not os.access(layout.folder, os.W_OK):
        raise RequestError(f"{layout.folder} is read-only here; cancel the run under the account and host that run it")
    ledger = Ledger(layout.ledger)

    def goes_on() -> bool:
        # A lock does not reach another host; there the heartbeat counts.
        return is_held(layout) or ledger.condition().status.is_active

    if goes_on():
        ledger.set(cancelled="yes")
        deadline = time.monotonic() + CANCEL_S
        while goes_on():
            if time.monotonic() > deadline:
                raise GurukulError(
                    f"run {run_id} was not reached: {ledger.owner()} has not stopped it in {CANCEL_S:.0f} s;"
                    " it may hang, or not see this folder; cancel it on that host"
                )
            time.sleep(POLL_S)
    condition = ledger.condition()
    if condition.status in (RunStatus.READY, RunStatus.FAILED):
        raise RequestError(f"run {run_id} has ended already, {condition}; there is nothing to cancel")
    if condition.status is not RunStatus.CANCELLED:
        if (url := broker or recorded_broker(manifest.config)) is not None:
            with connect(url) as redis:
                clear(redis, run_id, ledger.devices())
        ledger.set(status=RunStatus.CANCELLED, message="cancelled while no process ran it")
    command = ledger.condition().next_command(run_id, data_dir)
    ledger.close()
    typer.echo(f"run {run_id} is cancelled; to continue: {command}")
