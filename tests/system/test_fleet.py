"""A shared fleet as its users see it: runs wait for workers, share them, are cancelled; devices are listed."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from schemas.files.atomic import sha256_of
from tests.chaos.invariant import check_server
from tests.chaos.lab import Lab, Run, lab
from tests.conftest import command
from tests.waiting import wait_for


def artifacts(run: Run) -> dict[str, str]:
    """Digests of a run's windows, which do not depend on its name."""
    files = sorted(run.layout.folder.glob("windows/*/*/*"))
    return {path.relative_to(run.layout.folder).as_posix(): sha256_of(path) for path in files}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Lab]:
    """A server without workers."""
    with lab(tmp_path / "lab", devices=0) as opened:
        yield opened


def test_two_runs_share_a_fleet_that_comes_late_and_one_is_cancelled(empty: Lab) -> None:
    """Both runs wait for a worker and share it; the cancelled one stops, and the other completes."""
    first, second = (
        empty.run("--step-days", "63", cwd=empty.folder / "runs", run_id=name) for name in ("first", "second")
    )
    for run in (first, second):
        wait_for(partial(lambda run: "waiting for one to start" in run.printed, run), "the run's line that it waits")
    result = command("fleet", "--broker", empty.url, cwd=empty.folder)
    assert (result.returncode, "no worker is online" in result.stdout) == (0, True)

    empty.start_fleet(devices=2)
    wait_for(lambda: first.ended() + second.ended() >= 16, "sixteen outcomes")
    assert min(first.ended(), second.ended()) >= 4, (first.ended(), second.ended())
    result = command("fleet", "--json", "--broker", empty.url, cwd=empty.folder)
    devices = json.loads(result.stdout)["devices"]
    assert [device["device"]["name"].split("@")[0] for device in devices] == ["cpu0", "cpu1"]
    assert all(0 <= device["utilisation"] <= 1 for device in devices)
    assert all(0 < device["memory_mib"] < device["memory_total_mib"] for device in devices)
    assert all(device["free_gib"] > 0 and device["clock_ahead_s"] is not None for device in devices)
    listed = command("fleet", "--broker", empty.url, cwd=empty.folder).stdout
    assert len(re.findall(r"\d% used, \d+ MiB", listed)) == 2, listed
    assert listed.startswith("device\t")
    seen: set[str] = set()

    def both_are_listed() -> bool:
        held = json.loads(command("fleet", "--json", "--broker", empty.url, cwd=empty.folder).stdout)["devices"]
        seen.update(identity.split("/")[0] for device in held for identity in device["held"])
        return seen == {"first", "second"}

    # At one moment the two devices may hold work of one run alone.
    wait_for(both_are_listed, "work of both runs on the devices")

    result = command("cancel", "second", "--broker", empty.url, cwd=empty.folder)  # its folder is not below this one
    assert result.returncode == 0, result.stderr
    assert f"orchestrator resume second --data-dir {second.cwd / 'data'}" in result.stdout
    assert second.finish() == 130
    assert "cancelled" in second.printed
    check_server(empty, "second")
    assert first.finish() == 0, first.printed

    second.resume()
    assert second.finish() == 0, second.printed
    assert artifacts(second) == artifacts(first)
    result = command("cancel", "second", cwd=second.cwd)
    assert (result.returncode, "nothing to cancel" in result.stderr) == (2, True)
    empty.stop_fleet()
