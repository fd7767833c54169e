"""Switches, rollbacks and kills in between: the live release is the old one or the new one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from orchestrator.releases import release_stack
from orchestrator.releases.deployment import astray, deploy, finish_killed_switch, linked, rollback
from orchestrator.releases.history import locked, read
from orchestrator.releases.overview import overview
from schemas.config.release import ReleaseConfig
from schemas.contract.errors import RequestError
from schemas.contract.release import Action, Environment
from schemas.files.layout import ReleaseLayout
from tests.conftest import tree
from tests.doubles.deadly import DEADLY
from tests.orchestrator.releases.making import make_release, walk

ONE, TWO, THREE = "one.1111", "two.2222", "three.3333"
KILLED = -9

# For each number N on stdin, a fork of this process switches and dies at its Nth call of any function that changes the
# disk; its exit code is printed. What the switch needs is imported once.
KILL = """
import traceback
from orchestrator.releases import deployment
from orchestrator.releases.history import History, locked
from schemas.files.layout import ReleaseLayout
from schemas.contract.release import Action
layout = ReleaseLayout(Path(sys.argv[1]))
def switch():
    with locked(layout.history) as history:
        os.fsync = deadly(os.fsync)
        History.append = deadly(History.append)
        for name in ("mkdir", "symlink_to", "replace", "unlink"):
            setattr(Path, name, deadly(getattr(Path, name)))
        deployment._switch(
            history, layout, sys.argv[2], sys.argv[3], Action(sys.argv[4]), "asha", "", None
        )
for line in sys.stdin:
    left = int(line)
    child = os.fork()
    if child == 0:
        try:
            switch()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def layout(tmp_path: Path, workers_here: None) -> ReleaseLayout:
    """Three releases that were built and approved, none live; their golden vectors are checked in this process."""
    layout = ReleaseLayout(tmp_path / "release")
    with locked(layout.history) as history:
        for release_id in (ONE, TWO, THREE):
            line = history.append(Action.APPROVED, "asha", run_id=release_id.partition(".")[0])
            make_release(layout.folder, {"TCS": walk(1, 400)}, release_id, live_in=(), approval_sha256=line.sha256)
    return layout


def config(layout: ReleaseLayout) -> ReleaseConfig:
    return ReleaseConfig(release_dir=str(layout.folder))


def switch(layout: ReleaseLayout, release_id: str, environment: Environment = "staging") -> None:
    """Make a release live as `deploy` does after its checks."""
    from orchestrator.releases.deployment import _switch

    with locked(layout.history) as history:
        finish_killed_switch(history, layout)
        _switch(history, layout, environment, release_id, Action.DEPLOYING, "asha", "", None)


def test_the_link_is_relative_and_the_log_has_both_lines(layout: ReleaseLayout) -> None:
    """`current` points to the release wherever the folder is moved; the log has the announcement and the completion."""
    switch(layout, ONE)
    assert str(layout.current("staging").readlink()) == f"../releases/{ONE}"
    assert layout.folder.rename(layout.folder.with_name("moved"))
    moved = ReleaseLayout(layout.folder.with_name("moved"))
    assert json.loads((moved.current("staging") / "release.json").read_text())["release_id"] == ONE
    actions = [line.entry.action for line in read(moved.history)[0]][-2:]
    assert actions == [Action.DEPLOYING, Action.DEPLOYED]


def test_rollback_goes_back_one_deployment_at_a_time(layout: ReleaseLayout) -> None:
    """Deployments form a stack: a rollback removes the top one, never restores it, and ends at the first."""
    for release_id in (ONE, TWO, THREE):
        switch(layout, release_id)
    for expected in (TWO, ONE):
        assert rollback(config(layout), "staging", "ben", "").entry.release_id == expected
        assert linked(layout, "staging") == expected
    with pytest.raises(RequestError, match=f"{ONE} was the first release there"):
        rollback(config(layout), "staging", "ben", "")
    switch(layout, THREE)
    assert rollback(config(layout), "staging", "ben", "").entry.release_id == ONE
    assert release_stack.stack(read(layout.history)[0], "staging") == [ONE]


def test_an_environment_never_touches_the_other(layout: ReleaseLayout) -> None:
    """Deployments and rollbacks in staging leave production's link, to its inode and time, as it was."""
    switch(layout, ONE, "production")
    before = layout.current("production").lstat()
    for release_id in (TWO, THREE):
        switch(layout, release_id)
    rollback(config(layout), "staging", "ben", "")
    assert layout.current("production").lstat() == before
    assert linked(layout, "production") == ONE and linked(layout, "staging") == TWO


@pytest.mark.parametrize("name", ["release.json", "golden.json", "students/TCS/model.json", "manifest.json"])
def test_a_changed_release_is_not_switched_to(layout: ReleaseLayout, name: str) -> None:
    """One byte in any file of the release that a rollback would bring back: refused, and nothing is written."""
    switch(layout, ONE)
    switch(layout, TWO)
    path = layout.release(ONE) / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    before = tree(layout.folder)
    with pytest.raises(RequestError, match=ONE):
        rollback(config(layout), "staging", "ben", "")
    assert tree(layout.folder) == before and linked(layout, "staging") == TWO
    assert overview(str(layout.folder), None)["faults"]


def test_golden_vectors_that_do_not_come_out_are_not_switched_to(tmp_path: Path) -> None:
    """A release with correct digests whose student predicts other values than recorded is refused, by a new process."""
    from orchestrator.audit.signed_manifest import seal
    from orchestrator.releases.building import refuse_changed
    from schemas.files.atomic import sha256_of

    layout = ReleaseLayout(tmp_path)
    make_release(tmp_path, {"TCS": walk(1, 400)}, ONE, live_in=())
    folder = layout.release(ONE)
    golden = json.loads((folder / "golden.json").read_text())
    golden["rows"]["TCS"][0]["expected"] += 1e-9
    (folder / "golden.json").write_text(json.dumps(golden))
    release = json.loads((folder / "release.json").read_text())
    (folder / "release.json").write_text(json.dumps(release | {"golden_sha256": sha256_of(folder / "golden.json")}))
    seal(folder, {"release_id": ONE}, None)
    with pytest.raises(RequestError, match="golden vectors differ by up to 1e-09"):
        refuse_changed(folder, str(folder.parent))


def test_what_is_rejected_since_is_not_rolled_back_to(layout: ReleaseLayout) -> None:
    """A rejected run is refused for a rollback, too; `releases` reports where it is still live."""
    switch(layout, ONE)
    switch(layout, TWO)
    with locked(layout.history) as history:
        history.append(Action.REJECTED, "ben", run_id="one")
        history.append(Action.REJECTED, "ben", run_id="two")
    with pytest.raises(RequestError, match="rejected since"):
        rollback(config(layout), "staging", "ben", "")
    assert overview(str(layout.folder), None)["notes"] == [f"{TWO} is live in staging, but ben rejected two since"]


def test_a_link_that_the_log_does_not_know_stops_everything(layout: ReleaseLayout) -> None:
    """A link changed by hand is named by `releases`, and no command goes on from it."""
    switch(layout, ONE)
    switch(layout, TWO)
    layout.current("staging").unlink()
    layout.current("staging").symlink_to(f"../releases/{THREE}")
    assert THREE in overview(str(layout.folder), None)["faults"][0]
    for command in (lambda: rollback(config(layout), "staging", "ben", ""), lambda: switch(layout, ONE)):
        with pytest.raises(RequestError, match="which is not in the log"):
            command()


def test_a_log_cut_short_is_noticed(layout: ReleaseLayout) -> None:
    """Lines removed from the end leave a valid chain, but links that the log does not explain."""
    switch(layout, ONE)
    switch(layout, TWO)
    layout.history.write_bytes(b"\n".join(layout.history.read_bytes().splitlines()[:-2]) + b"\n")
    assert TWO in astray(layout, read(layout.history)[0])


def test_time_in_staging_is_the_longest_unbroken_stay(layout: ReleaseLayout) -> None:
    """A stay ends with the next switch; the live release's lasts until now; a release that was never live has none."""
    for release_id in (ONE, TWO, ONE):
        switch(layout, release_id)
    lines = read(layout.history)[0]
    now = lines[-1].entry.time + timedelta(hours=5)
    assert release_stack.longest_stay(lines, "staging", ONE, now) == timedelta(hours=5)
    assert release_stack.longest_stay(lines, "staging", TWO, now) < timedelta(hours=1)
    assert release_stack.longest_stay(lines, "staging", THREE, now) == timedelta()
    assert release_stack.longest_stay(lines, "production", ONE, now) == timedelta()


def exit_codes(layout: ReleaseLayout, target: str, intent: Action) -> Iterator[int]:
    """How each switch ends that is killed at its first step, its second, and so on; the last is not killed."""
    arguments = ("0", str(layout.folder), "staging", target, intent)
    with subprocess.Popen(
        [sys.executable, "-c", DEADLY + KILL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for step in count(1):
            process.stdin.write(f"{step}\n")
            process.stdin.flush()
            exit_code = int(process.stdout.readline())
            yield exit_code
            if exit_code != KILLED:
                break


@pytest.mark.parametrize("intent", [Action.DEPLOYING, Action.ROLLING_BACK])
def test_killed_anywhere_the_old_or_the_new_is_live(layout: ReleaseLayout, intent: Action) -> None:
    """kill -9 at every step of a switch: the link points to one of the two, and the next command settles the log."""
    switch(layout, ONE)
    switch(layout, TWO)
    target = THREE if intent is Action.DEPLOYING else ONE
    before = tree(layout.folder)
    outcomes = []
    for exit_code in exit_codes(layout, target, intent):
        live = linked(layout, "staging")
        assert live in (TWO, target)
        assert overview(str(layout.folder), None)["faults"] == []
        with locked(layout.history) as history:
            finish_killed_switch(history, layout)
            assert release_stack.live(history.lines, "staging") == live
            assert release_stack.unfinished(history.lines) is None
        outcomes.append(live)
        _restore(layout, before)
        assert exit_code in (KILLED, 0)
    assert len(outcomes) > 6
    # First the old one, from one step on the new one.
    assert outcomes == sorted(outcomes, key=[TWO, target].index) and set(outcomes) == {TWO, target}


def _restore(layout: ReleaseLayout, files: dict[str, bytes]) -> None:
    layout.history.write_bytes(files["history.jsonl"])
    for path in layout.current("staging").parent.iterdir():
        path.unlink()
    layout.current("staging").symlink_to(f"../releases/{TWO}")


def test_deploy_needs_an_approval(layout: ReleaseLayout) -> None:
    """A run with a later rejection is not deployed, nor is one that does not exist."""
    with locked(layout.history) as history:
        history.append(Action.REJECTED, "ben", run_id="two", note="two symbols carry it")
    with pytest.raises(RequestError, match="there is no run four"):
        deploy(config(layout), "four", "staging", "asha", "")
    with pytest.raises(RequestError, match=r"rejected by ben on .*: two symbols carry it"):
        deploy(config(layout), "two", "staging", "asha", "")
