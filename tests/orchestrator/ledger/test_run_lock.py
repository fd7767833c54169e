"""A run belongs to one process at a time, by a lock on its folder and a heartbeat in its ledger."""

import errno
import fcntl
import os
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import is_held, only_one
from orchestrator.ledger.run_status import HEARTBEAT_EXPIRY_S, Owner, current_owner
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.files.run_files import write_manifest
from tests.conftest import command


def test_a_check_stops_neither_a_run_nor_another_check(tmp_path: Path) -> None:
    """A process that checks the lock is not taken for its holder; a run that starts at that moment starts."""
    layout = RunLayout(tmp_path)
    with closing(Ledger.create(layout.ledger)) as ledger:
        looking = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not is_held(layout)
        looked = threading.Timer(0.02, os.close, [looking])
        looked.start()
        with only_one(layout, ledger):
            assert is_held(layout)
            with pytest.raises(RequestError, match=f"is being run by process {os.getpid()}"), only_one(layout, ledger):
                pass
        looked.join()
        assert not is_held(layout)


def elsewhere(heartbeat: float) -> Owner:
    """A process of another container that has this host's name and a process id that exists here."""
    return replace(current_owner(), machine="another", heartbeat=heartbeat)


def test_a_lease_of_another_machine_counts_where_a_lock_does_not(tmp_path: Path) -> None:
    """A run with a fresh heartbeat from a container of this name is refused; with an old one it is taken over."""
    layout = RunLayout(tmp_path)
    with closing(Ledger.create(layout.ledger)) as ledger:
        ledger.set(status=RunStatus.RUNNING)
        ledger.take(elsewhere(time.time()))
        with pytest.raises(RequestError, match="another machine"), only_one(layout, ledger):
            pass
        ledger.take(elsewhere(time.time() - 2 * HEARTBEAT_EXPIRY_S))
        with only_one(layout, ledger):
            assert ledger.owner() != elsewhere(0.0)


def test_a_file_system_without_locks_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have no locks: the run starts, and its heartbeat is the lease."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    layout = RunLayout(tmp_path)
    with closing(Ledger.create(layout.ledger)) as ledger:
        with only_one(layout, ledger):
            assert ledger.owner() is not None
        ledger.set(status=RunStatus.RUNNING)
        ledger.take(replace(current_owner(), pid=os.getppid(), started=None))
        with pytest.raises(RequestError, match=f"is being run by process {os.getppid()}"), only_one(layout, ledger):
            pass


def test_a_cancel_that_does_not_reach_the_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that another machine goes on with is not recorded as cancelled: exit code 2, and its state stays."""
    config = RunConfig.model_validate({"start_date": "2022-01-01", "end_date": "2022-12-31"})
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), bars=None, plan=(), versions={}, trained_by=""
    )
    layout = RunLayout.under(tmp_path, "r")
    layout.folder.mkdir(parents=True)
    write_manifest(layout, manifest)
    monkeypatch.setattr("orchestrator.cli.cancel.CANCEL_S", 0.3)
    with closing(Ledger.create(layout.ledger)) as ledger:
        ledger.set(status=RunStatus.RUNNING)
        ledger.take(elsewhere(time.time()))
        result = command("cancel", "r", "--data-dir", str(tmp_path), cwd=tmp_path)
        assert result.returncode == 2 and "was not reached" in result.stderr
        assert ledger.condition().status is RunStatus.RUNNING
