"""A study on a real fleet: killed and resumed, and blind to the days that its best settings are judged on."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from schemas.contract.trials import TrialCount
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model
from tests.conftest import SPAN, SharedFleet, clean_environment, command, finished_run, state_of
from tests.waiting import wait_for

TUNE_END = "2024-04-01"
SPACE = "[student.ridge]\nlow = 1\nhigh = 1000\nlog = true\n\n[teacher.max_rounds]\nlow = 5\nhigh = 20\n"
TRIALS = 3


def poisoned(bars: Path, folder: Path) -> Path:
    """The same bars before the day, and others from it on."""
    shutil.copytree(bars, folder)
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        for number, row in enumerate(rows):
            if row[0][:10] >= TUNE_END:
                row[1:5] = [f"{float(price) * (1.0 + 0.1 * (number % 3)):.2f}" for price in row[1:5]]
        path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n", encoding="utf-8")
    return folder


def arguments(bars: Path, fleet: SharedFleet, space: Path) -> list[str]:
    space.write_text(SPACE, encoding="utf-8")
    flags = ("--symbols", "M&M,^GSPC", "--keep-jumps", "--trials", str(TRIALS), "--parallel", "2", "--run-id", "study")
    return ["tune", "--space", str(space), "--tune-end", TUNE_END, "--source", f"csv:{bars}", *SPAN, *flags, *fleet]


def test_a_killed_study_finds_what_a_blind_one_finds(bars: Path, fleet: SharedFleet, tmp_path: Path) -> None:
    """A study that is killed and resumed, and one on bars that differ from the first scored day on, choose the same
    trials with the same values and write the same settings. A run of these scores later days, and counts every trial.
    """
    study = RunLayout.under(tmp_path / "data", "study")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments(bars, fleet, tmp_path / "space.toml")],
        cwd=tmp_path, env=clean_environment() | state_of(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        wait_for(lambda: study.study_trials.is_file() or process.poll() is not None, "a trial that ended", 120.0)
        process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, output
    finally:
        process.kill()
    assert "resume study" in command("status", "study", cwd=tmp_path).stdout
    resumed = command("resume", "study", "--json", "--broker", fleet[1], cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    found = json.loads(resumed.stdout.splitlines()[-1])
    assert [each["number"] for each in found["trials"]] == list(range(TRIALS)) and found["found"]

    # No trial has read a bar of the days that the best settings are scored on.
    for number in range(TRIALS):
        plan = [each.window for each in read_manifest(study.trial(number)).plan]
        assert plan and all(str(each.score_end) <= TUNE_END == str(each.labels_before) for each in plan)
    blind = tmp_path / "blind"
    blind.mkdir()
    fleet.serve(blind / "data")
    other = command(*arguments(poisoned(bars, tmp_path / "poisoned"), fleet, blind / "space.toml"), cwd=blind)
    assert other.returncode == 0, other.stdout + other.stderr
    twin = RunLayout.under(blind / "data", "study")
    assert study.study_trials.read_bytes() == twin.study_trials.read_bytes()
    assert "trial\tstate\tlog-loss\tstudent.ridge\tteacher.max_rounds\n0\tcomplete\t" in other.stdout

    fleet.serve(tmp_path / "data")
    best = finished_run(tmp_path, "--config", str(study.best), "--run-id", "best", *fleet)
    counted = read_model(best.folder / "trials.json", TrialCount)
    assert counted.configurations == TRIALS + 1
    assert [(each.name, each.trials, str(each.until)) for each in counted.studies] == [("study", TRIALS, TUNE_END)]
    assert f"{TRIALS} of them by study study, on days before {TUNE_END}" in (best.audit / "report.html").read_text()
    leak = json.loads((best.folder / "statistics/leak.json").read_bytes())["gate"]["criteria"][-1]
    assert (leak["name"], leak["ruling"]) == ("scored days that chose the settings", "pass")
    early = command("run", "--config", str(study.best), "--start-date", "2023-06-01", *fleet, cwd=tmp_path)
    assert early.returncode == 2
    assert f"study study chose settings by days before {TUNE_END}" in " ".join(early.stderr.split())
