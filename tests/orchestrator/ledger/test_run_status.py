"""A run's status is derived from the ledger's facts, the time, and whether its process is alive."""

import os
import platform
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.run_status import (
    HEARTBEAT_EXPIRY_S,
    START_TOLERANCE_S,
    Owner,
    RunCondition,
    StatusFacts,
    current_owner,
    derive_condition,
    is_alive,
)
from schemas.contract.run import RunStatus

NOW = 1_800_000_000.0
ENDED = [RunStatus.INTERRUPTED, RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.READY]

owners = st.builds(Owner, st.integers(1, 9), st.just("h"), st.none(), st.none() | st.floats(NOW - 1e4, NOW + 1e4))
alive = st.sampled_from([True, False, None])


@given(st.sampled_from(ENDED), st.none() | owners, alive)
def test_a_recorded_end_stands(recorded: RunStatus, owner: Owner | None, owner_is_alive: bool | None) -> None:
    """A run that recorded its end has that status, whatever the state of its process and what it once waited for."""
    found = derive_condition(StatusFacts(recorded, owner, "why", "a worker", "hold"), NOW, owner_is_alive)
    assert found.status is recorded and not found.died
    ready = recorded is RunStatus.READY
    assert (found.reason, found.verdict) == (("", "hold") if ready else ("why", None))
    assert found.can_resume is not ready


def test_only_a_failure_that_would_come_again_is_not_resumed() -> None:
    """A final failure cannot be resumed; an interrupted run always can."""
    for recorded, can_resume in ((RunStatus.FAILED, False), (RunStatus.INTERRUPTED, True)):
        assert derive_condition(StatusFacts(recorded, None, is_final=True), NOW, None).can_resume is can_resume


@given(st.sampled_from([None, RunStatus.RUNNING]), owners)
def test_a_run_without_an_end_runs_while_its_process_is_alive(recorded: RunStatus | None, owner: Owner) -> None:
    """On this host the process decides, not its heartbeat; an alive one may wait, with its reason."""
    facts = StatusFacts(recorded, owner)
    assert derive_condition(facts, NOW, True) == RunCondition(RunStatus.RUNNING)
    waiting = derive_condition(replace(facts, waiting="no worker is online"), NOW, True)
    assert str(waiting) == "waiting: no worker is online" and waiting.status.is_active
    for dead in (facts, replace(facts, owner=None), replace(facts, waiting="a worker")):
        found = derive_condition(dead, NOW, False)
        assert (found.status, found.died, found.can_resume) == (RunStatus.INTERRUPTED, True, True)
        assert "ended without recording an end" in found.reason


@pytest.mark.parametrize(
    ("heartbeat", "status"),
    [
        (None, RunStatus.RUNNING),
        (NOW - HEARTBEAT_EXPIRY_S, RunStatus.RUNNING),
        (NOW - HEARTBEAT_EXPIRY_S - 1, RunStatus.INTERRUPTED),
        (NOW + 1e3, RunStatus.RUNNING),
    ],
)
def test_of_a_process_on_another_host_the_heartbeat_decides(heartbeat: float | None, status: RunStatus) -> None:
    """Without a heartbeat the run counts as running; a clock that is ahead changes nothing."""
    facts = StatusFacts(RunStatus.RUNNING, Owner(1, "elsewhere", None, heartbeat))
    assert derive_condition(facts, NOW, None).status is status


def test_a_process_is_alive_until_it_ends() -> None:
    """A process that ended counts as ended, even if its parent has not waited for it."""
    mine = current_owner()
    assert (mine.pid, mine.host) == (os.getpid(), platform.node())
    assert is_alive(mine) is True
    assert is_alive(replace(mine, host="elsewhere")) is None
    assert is_alive(replace(mine, machine="another container of this name")) is None
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(Owner(process.pid, platform.node())) is False
    assert is_alive(Owner(process.pid, platform.node())) is False


def test_a_process_that_has_the_id_of_the_owner_is_not_the_owner() -> None:
    """The start time distinguishes them; an owner of an old ledger has none, so its id alone decides."""
    mine = current_owner()
    assert mine.started is not None
    assert is_alive(replace(mine, started=mine.started - 2 * START_TOLERANCE_S)) is False
    assert is_alive(replace(mine, started=None)) is True
