"""A release from approval to rollback, by the user's commands: approve, deploy, predict, deploy another, roll back."""

import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchestrator.audit.signed_manifest import seal
from orchestrator.releases.deployment import linked
from orchestrator.releases.history import read
from schemas.contract.artifact import RunRow
from schemas.contract.judgement import NOT_WORSE_THAN_LIVE, GateReport, Ruling
from schemas.contract.task import Role, Status
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of
from schemas.files.layout import ReleaseLayout, RunLayout
from schemas.files.run_files import read_model, read_rows
from tests.conftest import SPAN, Finished, command, finished_run, tree
from tests.doubles.deadly import DEADLY
from tests.orchestrator.audit.test_signed_manifest import write_key
from workers.judging.evidence import load
from workers.judging.gates import JUDGES

SECRET = "planted0SECRET0value"
OVERRIDE = ("--override", "a demonstration on random walks")

# `orchestrator deploy`, which dies at its Nth call of a function that renames, links or flushes.
KILL = """
os.fsync, os.rename = deadly(os.fsync), deadly(os.rename)
for name in ("symlink_to", "replace"):
    setattr(Path, name, deadly(getattr(Path, name)))
from orchestrator.cli import cli
cli()
"""


@pytest.fixture
def cwd(two_device_run: Finished, tmp_path: Path) -> Path:
    """A copy of the folder in which run `generated` has ended."""
    return shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)


def run_command(code: int, *arguments: str, cwd: Path) -> str:
    """Output of `orchestrator ...` on both streams, as one line; fails the test unless it exits with `code`."""
    result = command(*arguments, cwd=cwd)
    text = " ".join((result.stdout + result.stderr).split())
    assert result.returncode == code, text
    return text


def latest(cwd: Path, run_id: str) -> dict[str, RunRow]:
    """Symbol -> the row of its latest window that ended in success."""
    rows = read_rows(RunLayout.under(cwd / "data", run_id), Role.STUDENT)
    return {row.symbol: row for row in sorted(rows, key=lambda row: row.end) if row.status is Status.SUCCESS}


def test_from_approval_to_rollback(bars: Path, fleet: tuple[str, ...], cwd: Path) -> None:
    """All commands on two runs, and the log that they write; a prediction equals the run's for the same bar."""
    layout = ReleaseLayout(cwd / "release")
    advised = run_command(2, "deploy", "generated", "--to", "staging", cwd=cwd)
    assert "is not approved; `orchestrator approve generated --by NAME --override REASON`" in advised
    refused = run_command(2, "approve", "generated", "--by", "asha", cwd=cwd)
    assert "the recommendation for generated is hold, not promote" in refused and "--override" in refused
    assert "empty" in run_command(2, "approve", "generated", "--by", "asha", "--override", " ", cwd=cwd)
    run_command(0, "approve", "generated", "--by", "asha", *OVERRIDE, cwd=cwd)
    run_command(0, "deploy", "generated", "--to", "staging", "--by", "ben", cwd=cwd)
    first = linked(layout, "staging")
    release = json.loads((layout.current("staging") / "release.json").read_text())
    rows = latest(cwd, "generated")
    assert {symbol: each["window"] for symbol, each in release["students"].items()} == {
        symbol: row.window_label for symbol, row in rows.items()
    }
    assert OVERRIDE[1] in release["basis"]
    card_says_what_the_audit_says(cwd, layout.current("staging"))

    for symbol, row in rows.items():
        path = RunLayout.under(cwd / "data", "generated").artifact(row.window_label, Role.STUDENT)
        last = pq.read_table(path / "predictions.parquet").to_pylist()[-1]
        result = command(
            "predict", "--env", "staging", "--symbols", symbol, "--as-of", str(last["session"]), "--json", cwd=cwd
        )
        (found,) = json.loads(result.stdout)["predictions"]
        assert found["bar"].startswith(f"{last['timestamp']:%Y-%m-%dT%H:%M}")
        assert found["probability"] == pytest.approx(last["student"], abs=1e-12)

    assert "24 h" in run_command(2, "deploy", "generated", "--to", "production", cwd=cwd)
    run_command(0, "deploy", "generated", "--to", "production", "--min-staging-hours", "0", cwd=cwd)
    refreshed(bars, fleet, cwd)
    run_command(0, "approve", "second", "--by", "asha", *OVERRIDE, "--symbols", "M&M", cwd=cwd)
    assert "was never in staging" in run_command(
        2, "deploy", "second", "--to", "production", "--min-staging-hours", "0", cwd=cwd
    )
    run_command(0, "deploy", "second", "--to", "staging", cwd=cwd)
    second = linked(layout, "staging")
    assert (linked(layout, "production"), first == second) == (first, False)
    assert list(json.loads((layout.release(str(second)) / "release.json").read_text())["students"]) == ["M&M"]
    assert "live in staging already" in run_command(2, "deploy", "second", "--to", "staging", cwd=cwd)
    run_command(0, "rollback", "staging", cwd=cwd)
    assert linked(layout, "staging") == first
    assert "was the first release there" in run_command(2, "rollback", "staging", cwd=cwd)
    run_command(0, "reject", "second", "--by", "chitra", "--note", "one symbol", cwd=cwd)
    assert "rejected by chitra" in run_command(2, "deploy", "second", "--to", "staging", cwd=cwd)

    shown = command("releases", cwd=cwd)
    assert shown.returncode == 0 and "the log is whole" in shown.stdout
    actions = [line.entry.action for line in read(layout.history)[0]]
    assert actions == [
        "approved", "deploying", "deployed", "deploying", "deployed", "approved", "deploying", "deployed",
        "rolling back", "rolled back", "rejected",
    ]  # fmt: skip


def card_says_what_the_audit_says(cwd: Path, release: Path) -> None:
    """`model_card.md` has the verdict, the figures and the warnings of `metrics.json`, and the manifest lists it."""
    card = (release / "model_card.md").read_text()
    found = json.loads((cwd / "release" / "audit_generated" / "metrics.json").read_text())["conclusion"]
    figures = [text for each in found["sureness"] for text in (each["text"], each["interval"], each["meaning"])]
    earned = [each["a_year"] for each in found["earned"]]
    assert "| all before 20" in card  # expanding lookback: not the window's own days alone
    for text in (found["recommendation"], found["sentence"], OVERRIDE[1], *figures, *earned, *found["warnings"]):
        assert text in card
    manifest = json.loads((release / "manifest.json").read_text())
    assert manifest["sha256"]["model_card.md"] == sha256_of(release / "model_card.md")


def refreshed(bars: Path, fleet: tuple[str, ...], cwd: Path) -> None:
    """Run `second`: the settings of the run in production, on three more months of bars.

    Its verdict is the one without a release in production, plus the comparison with it, which is on new days.
    """
    longer = longer_bars(bars, cwd / "longer", months=3)
    later = (*SPAN[:3], "2024-12-31", *SPAN[4:])
    finished_run(cwd, "--source", f"csv:{longer}", *later, *fleet, "--run-id", "second", "--reuse")
    run = RunLayout.under(cwd / "data", "second")
    assert sum(row.reused_from is not None for row in read_rows(run, Role.STUDENT)) >= 9
    counted = read_model(run.trials, TrialCount)
    assert (counted.trials, counted.looks) == (1, 1) and counted.judged_until is not None
    briefing = (cwd / "release" / "audit_second" / "promotion_briefing.md").read_text()
    assert f"judged 1 time before, first on days up to {counted.judged_until}" in briefing
    skill = {each.name: each for each in read_model(run.gate("skill"), GateReport).gate.criteria}
    beside = skill.pop(NOT_WORSE_THAN_LIVE)
    assert beside.ruling is not Ruling.NOT_COMPUTABLE
    assert "days after its bars" in beside.reason and "rows of earlier days have the same prediction" in beside.reason
    (cwd / "empty").mkdir()
    alone = JUDGES["skill"](load(run, cwd / "empty")).gate.criteria
    assert {each.name: each for each in alone} == skill


def longer_bars(bars: Path, folder: Path, months: int) -> Path:
    """A copy of generated bars with more sessions after the last one, at random prices around it."""
    shutil.copytree(bars, folder)
    for seed, path in enumerate(sorted(folder.glob("*/1day/*.csv"))):
        rng = np.random.default_rng(seed)
        lines = path.read_text().splitlines()
        day, close = date.fromisoformat(lines[-1][:10]), float(lines[-1].split(",")[4])
        for _ in range(21 * months):
            day += timedelta(days=3 if day.weekday() == 4 else 1)
            opening, close = close, close * float(np.exp(rng.normal(0.0, 0.018)))
            prices = f"{opening:.2f},{max(opening, close) * 1.005:.2f},{min(opening, close) * 0.995:.2f},{close:.2f}"
            lines.append(f"{day}T00:00:00+05:30,{prices},{rng.integers(10_000, 90_000)}")
        path.write_text("\n".join(lines) + "\n")
    return folder


def test_a_changed_run_is_not_deployed(cwd: Path) -> None:
    """One character in students, rows, verdict, audit or log after the approval: refused, named, nothing switched."""
    run_command(0, "approve", "generated", "--by", "asha", *OVERRIDE, cwd=cwd)
    label = latest(cwd, "generated")["M&M"].window_label
    for path in (
        f"data/models/generated/windows/{label}/student/model.json",
        "data/models/generated/student_runs.json",
        "data/models/generated/statistics.json",
        "release/audit_generated/metrics.json",
        "release/history.jsonl",
    ):
        target = cwd / path
        content = target.read_bytes()
        changed = content[:-3] + content[-3:].replace(b"\n", b" \n")
        if target.suffix == ".jsonl":  # the digest of a single line is in no next line, so its text is changed
            changed = content.replace(b'"asha"', b'"mala"', 1).replace(b"generated", b"generatex", 1)
        assert changed != content
        target.write_bytes(changed)
        text = run_command(2, "deploy", "generated", "--to", "staging", cwd=cwd)
        assert target.name in text or "is not approved" in text
        assert not (cwd / "release" / "staging").exists()
        target.write_bytes(content)
    run_command(0, "deploy", "generated", "--to", "staging", cwd=cwd)


def test_bars_that_were_replaced_stop_a_release(cwd: Path) -> None:
    """Golden vectors are made from the bars that the run keeps; without them, from the same ones of the data folder."""
    from tests.orchestrator.releases.making import store_bars, walk

    run_command(0, "approve", "generated", "--by", "asha", *OVERRIDE, cwd=cwd)
    store_bars(cwd / "data", "M&M", walk(1, 900))
    kept = cwd / "data/models/generated/bars"
    kept.rename(kept.with_name("elsewhere"))
    assert "M&M.parquet" in run_command(2, "deploy", "generated", "--to", "staging", cwd=cwd)
    assert not (cwd / "release" / "staging").exists()


def test_approver_and_trainer_may_have_to_differ(cwd: Path) -> None:
    """If another approver is required, who trained a run cannot approve it, and such an approval is not deployed."""
    trained_by = json.loads((cwd / "data/models/generated/run.json").read_text())["trained_by"]
    assert trained_by
    (cwd / "rules.toml").write_text("require_other_approver = true\n")
    rules = ("--config", "rules.toml")
    assert "another person" in run_command(2, "approve", "generated", "--by", trained_by, *OVERRIDE, *rules, cwd=cwd)
    run_command(0, "approve", "generated", "--by", trained_by, *OVERRIDE, cwd=cwd)
    assert "another person" in run_command(2, "deploy", "generated", "--to", "staging", *rules, cwd=cwd)
    run_command(0, "approve", "generated", "--by", "asha", *OVERRIDE, *rules, cwd=cwd)
    run_command(0, "deploy", "generated", "--to", "staging", *rules, cwd=cwd)


def test_a_deployment_killed_anywhere_can_be_done_again(cwd: Path) -> None:
    """kill -9 while a release is built, sealed, switched: nothing or the new one is live; a second try succeeds."""
    run_command(0, "approve", "generated", "--by", "asha", *OVERRIDE, cwd=cwd)
    layout = ReleaseLayout(cwd / "release")
    seen = []
    for step in (3, 20, 37, 54, 200):
        process = subprocess.run(
            [sys.executable, "-c", DEADLY + KILL, str(step), "deploy", "generated", "--to", "staging"], cwd=cwd,
            capture_output=True,
        )  # fmt: skip
        live = linked(layout, "staging")
        assert command("releases", cwd=cwd).returncode == 0
        seen.append(live)
        if process.returncode != -9:
            break
    assert process.returncode in (0, 2) and len(seen) > 2
    if process.returncode == 2:
        assert b"is live in staging already" in process.stderr
    assert linked(layout, "staging") is not None
    assert not [path for path in layout.releases.iterdir() if path.name.startswith(".tmp-")]
    assert command("predict", "--env", "staging", "--as-of", "2024-12-31", cwd=cwd).returncode == 0


def test_no_secret_enters_audit_or_release(
    bars: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted keys of a vendor, of the environment, the signing key's own and the broker's password are in no file."""
    key = write_key(tmp_path / "key.pem")
    (tmp_path / "secrets").write_text(f"BREEZE_API_KEY={SECRET}1\nBREEZE_SECRET_KEY={SECRET}2\n")
    monkeypatch.setenv("BREEZE_SESSION_TOKEN", f"{SECRET}3")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}4")
    finished_run(
        tmp_path, "--source", f"csv:{bars}", *SPAN, "--devices", "cpu:1x1", "--run-id", "signed", "--symbols", "M&M",
        "--signing-key", "key.pem", "--secrets-file", "secrets", "--broker", server,
    )  # fmt: skip
    run_command(0, "approve", "signed", "--by", "asha", *OVERRIDE, cwd=tmp_path)
    run_command(0, "deploy", "signed", "--to", "staging", "--signing-key", "key.pem", cwd=tmp_path)
    private = "".join(key.read_text().splitlines()[1:-1])
    password = urlsplit(server).password
    assert password
    for folder in ("release", "data", "logs"):
        for name, content in tree(tmp_path / folder).items():
            for secret in (SECRET, private, password):
                assert secret.encode() not in content, f"{folder}/{name}"
    trusted = ("--public-key", "key.pub")
    assert "the key you gave" in run_command(0, "verify", "signed", *trusted, cwd=tmp_path)
    assert "the key you gave" in run_command(0, "releases", *trusted, cwd=tmp_path)
    assert "not checked against a key you trust" in run_command(0, "verify", "signed", cwd=tmp_path)
    write_key(tmp_path / "other.pem")
    run_command(3, "verify", "signed", "--public-key", "other.pub", cwd=tmp_path)


def test_a_bundle_with_a_file_more_is_not_verified(cwd: Path) -> None:
    """`verify` covers the audit bundle and the run's releases: changed files and an added one are named."""
    release = ReleaseLayout(cwd / "release").release("generated.00000000")
    release.mkdir(parents=True)
    (release / "model_card.md").write_text("as built\n")
    seal(release, {"release_id": release.name}, None)
    (release / "model_card.md").write_text("edited\n")
    audit = cwd / "release" / "audit_generated"
    (audit / "metrics.json").write_text("{}\n")
    (audit / "extra.txt").write_text("more\n")
    text = run_command(3, "verify", "generated", cwd=cwd)
    assert (
        "metrics.json differs from what manifest.json recorded" in text and "extra.txt is not in manifest.json" in text
    )
    assert "unsigned" in text and "model_card.md differs from what manifest.json recorded" in text


def test_a_key_that_cannot_sign_stops_a_run_before_it_begins(bars: Path, tmp_path: Path) -> None:
    """A bad signing key is refused before the run: exit code 2, nothing written."""
    text = run_command(2, "run", "--source", f"csv:{bars}", *SPAN, "--signing-key", "nowhere.pem", cwd=tmp_path)
    assert "nowhere.pem cannot be read" in text
    assert not (tmp_path / "data").exists()
