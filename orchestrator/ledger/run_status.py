"""A run's status, derived in one place from what its ledger holds and whether its process is alive."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from schemas.contract.command_line import command_line
from schemas.contract.machine import this_machine
from schemas.contract.process import still_runs
from schemas.contract.run import RunStatus

# A process of another host is taken as gone when its heartbeat is older.
HEARTBEAT_EXPIRY_S = 60.0


@dataclass(frozen=True)
class Owner:
    """The process that runs a run, or ran it last; times are seconds since 1970, None where they are unknown.

    `machine` identifies the operating system and process namespace of the process id: two hosts, or two containers,
    may have one host name.
    """

    pid: int
    host: str
    started: float | None = None
    heartbeat: float | None = None
    machine: str | None = None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True)
class StatusFacts:
    """What a ledger holds about a run's status: the last status that a process recorded, and that process.

    `message` is why it ended so, `waiting` what it waits for, `recommendation` that of its gates. `is_final`: a resume
    would fail in the same way.
    """

    recorded: RunStatus | None
    owner: Owner | None
    message: str = ""
    waiting: str = ""
    recommendation: str | None = None
    is_final: bool = False


@dataclass(frozen=True)
class RunCondition:
    """What a run does now or how it ended, the same on every screen.

    `reason`: why it waits, was interrupted, was cancelled or failed. `verdict`: the recommendation of a finished run.
    `can_resume`: whether `resume` may take it to its end. `died`: its process ended and recorded nothing.
    """

    status: RunStatus
    reason: str = ""
    verdict: str | None = None
    can_resume: bool = False
    died: bool = False

    def __str__(self) -> str:
        detail = self.reason if self.reason != self.status else ""
        return ": ".join(part for part in (self.status.value, detail or self.verdict) if part)

    def next_command(self, run_id: str, data_dir: str | Path) -> str:
        """The command that fits: to continue the run, to watch it, or to see how it ended."""
        name = "resume" if self.can_resume else "watch" if self.status.is_active else "status"
        return command_line(name, run_id, data_dir=data_dir)


def derive_condition(facts: StatusFacts, now: float, owner_is_alive: bool | None) -> RunCondition:
    """The condition of a run. A killed process leaves `running` behind; such a run is interrupted.

    `owner_is_alive` is None for a process of another machine: its heartbeat decides, and where it has none it counts
    as alive. A run whose process has not recorded a status yet is running.
    """
    match facts.recorded:
        case None | RunStatus.RUNNING:
            return _unended(facts, now, owner_is_alive)
        case RunStatus.READY:
            return RunCondition(RunStatus.READY, verdict=facts.recommendation)
    can_resume = facts.recorded is not RunStatus.FAILED or not facts.is_final
    return RunCondition(facts.recorded, facts.message, can_resume=can_resume)


def _unended(facts: StatusFacts, now: float, owner_is_alive: bool | None) -> RunCondition:
    """The condition of a run whose process recorded no end."""
    owner = facts.owner
    heartbeat = owner.heartbeat if owner is not None else None
    silent = owner_is_alive is None and heartbeat is not None and now - heartbeat > HEARTBEAT_EXPIRY_S
    if owner is None or owner_is_alive is False or silent:
        seen = "" if heartbeat is None else f" after {datetime.fromtimestamp(heartbeat, UTC):%Y-%m-%d %H:%M:%S} UTC"
        reason = f"{owner or 'its process'} ended without recording an end{seen}"
        return RunCondition(RunStatus.INTERRUPTED, reason, can_resume=True, died=True)
    if facts.waiting:
        return RunCondition(RunStatus.WAITING, facts.waiting)
    return RunCondition(RunStatus.RUNNING)


def current_owner() -> Owner:
    """This process, with a heartbeat of now."""
    started = psutil.Process().create_time()
    return Owner(os.getpid(), platform.node(), started, time.time(), this_machine())


def is_alive(owner: Owner) -> bool | None:
    """Whether the process still runs; None if it is one of another machine, or of another container."""
    if owner.host != platform.node() or owner.machine not in (None, this_machine()):
        return None
    return still_runs(owner.pid, owner.started)


def read_facts(db: sqlite3.Connection) -> StatusFacts:
    """The facts in an open ledger."""
    owner = db.execute("SELECT pid, host, started, heartbeat, machine FROM owner").fetchone()
    run = dict(db.execute("SELECT key, value FROM run").fetchall())
    return StatusFacts(
        recorded=RunStatus(run["status"]) if "status" in run else None,
        owner=Owner(*owner) if owner else None,
        message=run.get("message", ""),
        waiting=run.get("waiting", ""),
        recommendation=run.get("recommendation"),
        is_final=bool(run.get("is_final")),
    )


def read_condition(db: sqlite3.Connection) -> RunCondition:
    """The condition, as of now, of the run whose ledger is open."""
    facts = read_facts(db)
    return derive_condition(facts, time.time(), is_alive(facts.owner) if facts.owner else None)
