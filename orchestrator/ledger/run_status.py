"""A run's status, derived in one place from what its ledger holds and whether its process is alive."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass

import psutil

from schemas.contract.run import RunStatus

# A process id may be given to another process; the clock may be set while one runs.
START_TOLERANCE_S = 60.0
# A process of another host is taken as gone when its heartbeat is older.
HEARTBEAT_EXPIRY_S = 60.0


@dataclass(frozen=True)
class Owner:
    """The process that runs a run, or ran it last; times are seconds since 1970, None where they are unknown."""

    pid: int
    host: str
    started: float | None = None
    heartbeat: float | None = None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True)
class StatusFacts:
    """What a ledger holds about a run's status: the last status that a process recorded, and that process."""

    recorded: RunStatus | None
    owner: Owner | None


def derive_status(facts: StatusFacts, now: float, owner_is_alive: bool | None) -> RunStatus:
    """The status of a run. A killed process leaves `running` behind; such a run is interrupted.

    `owner_is_alive` is None for a process of another host: its heartbeat decides, and where it has none it counts as
    alive. A run whose process has not recorded a status yet is running.
    """
    if facts.recorded not in (None, RunStatus.RUNNING):
        return facts.recorded
    if facts.owner is None or owner_is_alive is False:
        return RunStatus.INTERRUPTED
    heartbeat = facts.owner.heartbeat
    if owner_is_alive is None and heartbeat is not None and now - heartbeat > HEARTBEAT_EXPIRY_S:
        return RunStatus.INTERRUPTED
    return RunStatus.RUNNING


def current_owner() -> Owner:
    """This process, with a heartbeat of now."""
    return Owner(os.getpid(), platform.node(), psutil.Process().create_time(), time.time())


def is_alive(owner: Owner) -> bool | None:
    """Whether the process still runs; None if it is one of another host."""
    if owner.host != platform.node():
        return None
    try:
        process = psutil.Process(owner.pid)
        started, has_ended = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    if has_ended:
        return False
    return owner.started is None or abs(started - owner.started) < START_TOLERANCE_S


def read_facts(db: sqlite3.Connection) -> StatusFacts:
    """The facts in an open ledger."""
    recorded = db.execute("SELECT value FROM run WHERE key = 'status'").fetchone()
    owner = db.execute("SELECT pid, host, started, heartbeat FROM owner").fetchone()
    return StatusFacts(RunStatus(recorded[0]) if recorded else None, Owner(*owner) if owner else None)


def read_status(db: sqlite3.Connection) -> RunStatus:
    """The status, as of now, of the run whose ledger is open."""
    facts = read_facts(db)
    return derive_status(facts, time.time(), is_alive(facts.owner) if facts.owner else None)
