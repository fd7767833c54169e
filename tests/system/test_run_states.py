"""Each state of a run, as every screen shows it: one derivation, the same words."""

import json
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import gurukul
from orchestrator.dashboard.runs import read_run
from orchestrator.dashboard.watched import Watched
from orchestrator.exporter.metrics import GurukulCollector
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import current_owner
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from tests.conftest import ROOT, Finished, command

RUN = "generated"


@dataclass(frozen=True)
class Case:
    """A state: what the process recorded, whether it is alive, and what every screen shows."""

    status: RunStatus
    reason: str = ""
    recorded: RunStatus = RunStatus.RUNNING
    is_alive: bool = False
    is_final: bool = False
    waiting: str = ""
    next_step: str = ""


RESUME = "orchestrator resume generated"
CASES = {
    "running": Case(RunStatus.RUNNING, is_alive=True),
    "waiting": Case(RunStatus.WAITING, "no worker is online", is_alive=True, waiting="no worker is online"),
    "died": Case(RunStatus.INTERRUPTED, "ended without recording an end", waiting="a worker", next_step=RESUME),
    "interrupted": Case(RunStatus.INTERRUPTED, "stopped by Ctrl-C", RunStatus.INTERRUPTED, next_step=RESUME),
    "cancelled": Case(RunStatus.CANCELLED, "by a test", RunStatus.CANCELLED, next_step=RESUME),
    "failed": Case(RunStatus.FAILED, "the disk is full", RunStatus.FAILED, next_step=RESUME),
    "failed for good": Case(
        RunStatus.FAILED, "bars changed", RunStatus.FAILED, is_final=True, next_step="start a new run"
    ),
    "finished": Case(RunStatus.READY, recorded=RunStatus.READY),
}


def in_state(finished: Finished, folder: Path, case: Case) -> str:
    """A copy of the run's ledger, manifest and events, changed into a state; returns its data folder."""
    data = folder / "data"
    layout = RunLayout.under(data, RUN)
    layout.folder.mkdir(parents=True)
    for path in (finished.folder / "run.json", finished.folder / "ledger.db"):
        shutil.copy(path, layout.folder)
    mine = current_owner()
    with closing(Ledger(layout.ledger)) as ledger:
        ledger.take(mine if case.is_alive else replace(mine, started=(mine.started or 0.0) - 1e6))
        ledger.set(status=case.recorded, message=case.reason, waiting=case.waiting)
        ledger.set(is_final="yes" if case.is_final else "")
    log = Path("analytics/training") / f"training_run_{RUN}.jsonl"
    (data / log).parent.mkdir(parents=True)
    *lines, last = (finished.cwd / "data" / log).read_text().splitlines()
    if case.recorded is not RunStatus.RUNNING:
        end = TrainingEvent.model_validate_json(last)
        assert end.event_type is EventType.RUN_END
        status = EventStatus.SUCCESS if case.recorded is RunStatus.READY else EventStatus(case.recorded)
        metrics = end.metrics | {"status": case.recorded}
        lines.append(
            end.model_copy(update={"status": status, "message": case.reason, "metrics": metrics}).model_dump_json()
        )
    (data / log).write_text("\n".join(lines) + "\n")
    return str(data)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_every_screen_shows_the_same_state(two_device_run: Finished, tmp_path: Path, case: Case) -> None:
    """status, runs, watch, dashboard, metrics and API agree on status, reason, next step and counts."""
    data = in_state(two_device_run, tmp_path, case)
    folder = ("--data-dir", data)
    summary = json.loads(command("status", RUN, "--json", *folder, cwd=tmp_path).stdout)
    assert summary["status"] == case.status and case.reason in summary["reason"]
    assert summary["can_resume"] is (case.next_step == RESUME)
    assert json.loads(command("runs", "--json", *folder, cwd=tmp_path).stdout) == [summary]

    shown = command("status", RUN, *folder, cwd=tmp_path).stdout
    assert case.reason in shown and case.next_step in shown and ("resume" in shown) is (case.next_step == RESUME)
    table = command("runs", *folder, cwd=tmp_path).stdout
    assert case.status in table and all(word in table for word in case.reason.split())
    live = command("watch", RUN, "--once", *folder, cwd=tmp_path).stdout
    assert case.status in live and case.reason in live and ("resume" in live) is (case.next_step == RESUME)
    assert case.status in live.splitlines()[0]

    watched = Watched(RUN, data, None)
    with watched.lock:
        watched.refresh()
        watched._heard -= 60.0
        watched.refresh()
    assert watched.state.status == case.status and case.reason in watched.state.message
    alive = case.status.is_active
    assert all((device.standing == "here") is alive for device in watched.state.devices.values())
    listed = read_run(RunLayout.under(data, RUN))
    stored = gurukul.open_run(RUN, data_dir=data)
    assert listed.condition == stored.condition and stored.status is case.status and case.reason in stored.message

    samples = [sample for family in GurukulCollector(data, None).collect() for sample in family.samples]
    assert [s.labels["status"] for s in samples if s.name == "gurukul_run_status" and s.value] == [case.status]
    assert {s.labels["reason"] for s in samples if s.name == "gurukul_run_reason"} == {summary["reason"]}
    verdicts = [s.labels["recommendation"] for s in samples if s.name == "gurukul_run_recommendation"]
    assert verdicts == ([summary["recommendation"]] if case.status is RunStatus.READY else [])
    died = case.status is RunStatus.INTERRUPTED and case.recorded is RunStatus.RUNNING
    assert [bool(s.value) for s in samples if s.name == "gurukul_run_died"] == [died]

    counts = summary["windows"]["student"]
    exported = {
        s.labels["outcome"]: s.value for s in samples if s.name == "gurukul_windows" and s.labels["role"] == "student"
    }
    folded = Counter({status.value: n for status, n in watched.state.counts[Role.STUDENT].items()})
    for status in Status:
        assert counts[status] == exported[status] == folded[status]
    assert (listed.trained, listed.skipped, listed.failed) == tuple(counts[status] for status in Status)


def test_cancel_leaves_a_failure_and_a_verdict(two_device_run: Finished, tmp_path: Path) -> None:
    """A run that failed or finished is not cancelled: exit code 2 with its reason, and it stays as it was."""
    for name in ("failed", "finished"):
        data = in_state(two_device_run, tmp_path / name, CASES[name])
        result = command("cancel", RUN, "--data-dir", data, cwd=tmp_path)
        assert result.returncode == 2 and f"{CASES[name].status}: " in result.stderr
        assert gurukul.open_run(RUN, data_dir=data).status is CASES[name].status


def test_tail_of_a_run_that_died_ends(two_device_run: Finished, tmp_path: Path) -> None:
    """`telemetry tail` ends with the run although its log has no end, and names the state."""
    data = in_state(two_device_run, tmp_path, CASES["died"])
    result = command("telemetry", "tail", RUN, "--data-dir", data, cwd=tmp_path)
    assert result.returncode == 0 and "is interrupted: process" in result.stderr


def test_every_alert_has_a_severity() -> None:
    """critical: a person must act now; warning: look at it soon."""
    rules = YAML(typ="safe").load(ROOT / "docker/monitoring/alerts.yaml")["groups"][0]["rules"]
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning"}
    assert {"GurukulRunDied", "GurukulRunFailed", "GurukulRunWaits"} <= {rule["alert"] for rule in rules}
