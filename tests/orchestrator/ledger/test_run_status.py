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
    StatusFacts,
    current_owner,
    derive_status,
    is_alive,
)
from schemas.contract.run import RunStatus

NOW = 1_800_000_000.0
ENDED = [RunStatus.INTERRUPTED, RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.READY]

owners = st.builds(Owner, st.integers(1, 9), st.just("h"), st.none(), st.none() | st.floats(NOW - 1e4, NOW + 1e4))
alive = st.sampled_from([True, False, None])


@given(st.sampled_from(ENDED), st.none() | owners, alive)
def test_a_recorded_end_stands(recorded: RunStatus, owner: Owner | None, owner_is_alive: bool | None) -> None:
    """A run that recorded its end has that status, whatever the state of its process."""
    assert derive_status(StatusFacts(recorded, owner), NOW, owner_is_alive) is recorded


@given(st.sampled_from([None, RunStatus.RUNNING]), owners)
def test_a_run_without_an_end_runs_while_its_process_is_alive(recorded: RunStatus | None, owner: Owner) -> None:
    """On this host the process decides, not its heartbeat."""
    facts = StatusFacts(recorded, owner)
    assert derive_status(facts, NOW, True) is RunStatus.RUNNING
    assert derive_status(facts, NOW, False) is RunStatus.INTERRUPTED
    assert derive_status(replace(facts, owner=None), NOW, None) is RunStatus.INTERRUPTED


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
    assert derive_status(facts, NOW, None) is status


def test_a_process_is_alive_until_it_ends() -> None:
    """A process that ended counts as ended, even if its parent has not waited for it."""
    mine = current_owner()
    assert (mine.pid, mine.host) == (os.getpid(), platform.node())
    assert is_alive(mine) is True
    assert is_alive(replace(mine, host="elsewhere")) is None
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
