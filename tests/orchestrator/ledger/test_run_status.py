"""A run's status is derived from the ledger's facts, the time, and whether its process is alive."""

import os
import platform
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import (
    HEARTBEAT_EXPIRY_S,
    Owner,
    RunCondition,
    StatusFacts,
    current_owner,
    derive_condition,
    is_alive,
)
from orchestrator.runs.compare import compare
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.process import START_TOLERANCE_S
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from schemas.files.run_files import write_manifest

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


@pytest.mark.parametrize(
    ("condition", "data_dir", "command"),
    [
        (RunCondition(RunStatus.FAILED, "why", can_resume=True), "data", "orchestrator resume r"),
        (RunCondition(RunStatus.FAILED, "why"), "data", "orchestrator status r"),
        (RunCondition(RunStatus.WAITING, "why"), "data", "orchestrator watch r"),
        (RunCondition(RunStatus.READY), "/srv/data", "orchestrator status r --data-dir /srv/data"),
        (RunCondition(RunStatus.READY), "/srv/my data", "orchestrator status r --data-dir '/srv/my data'"),
    ],
)
def test_only_a_run_that_may_come_to_its_end_is_to_be_resumed(
    condition: RunCondition, data_dir: str, command: str
) -> None:
    """Every message takes its next step from the run's condition."""
    assert condition.next_command("r", data_dir) == command


def test_two_runs_are_not_compared_by_resuming_what_must_fail_again(tmp_path: Path) -> None:
    """`compare` of a run without a verdict names its condition, and what fits it."""
    layout = RunLayout.under(tmp_path, "r")
    layout.folder.mkdir(parents=True)
    config = RunConfig.model_validate({"start_date": "2022-01-01", "end_date": "2022-12-31"})
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), bars=None, plan=(), versions={}
    )
    write_manifest(layout, manifest)
    with closing(Ledger.create(layout.ledger)) as ledger:
        ledger.set(status=RunStatus.FAILED, message="no window can be trained", is_final="yes")
    step = f"`orchestrator status r --data-dir {tmp_path}`"
    with pytest.raises(RequestError) as caught:
        compare(str(tmp_path), "r", "r")
    assert str(caught.value) == f"run r has no verdict; failed: no window can be trained; next: {step}"
