"""`--reuse`: what an earlier run has trained on the same bars, settings and versions is not trained again."""

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

from schemas.contract.artifact import RunRow
from schemas.contract.task import Role, Status
from schemas.contract.window import Window
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_rows
from tests.conftest import LAST_BAR, SPAN, Finished, command, finished_run, tree

ROLES = (Role.TEACHER, Role.STUDENT)


@pytest.fixture
def cwd(two_device_run: Finished, tmp_path: Path) -> Path:
    """A copy of the folder in which run `generated` has ended, in which tests continue."""
    return shutil.copytree(two_device_run.cwd, tmp_path / "copy")


def trained(run: Finished, role: Role) -> dict[str, RunRow]:
    """Label -> row of each window that has an artifact."""
    rows = read_rows(RunLayout(run.folder), role)
    return {row.window_label: row for row in rows if row.status is Status.SUCCESS}


def windows(run: Finished) -> dict[str, Window]:
    """Label -> window of each that was planned."""
    plan = read_manifest(RunLayout(run.folder)).plan
    return {planned.window.label: planned.window for planned in plan}


def without_hashes(text: str) -> str:
    """`text` without SHA-256s, which differ for files that name their run."""
    return re.sub(r"\b[0-9a-f]{64}\b", "", text)


def test_a_second_run_trains_nothing(bars: Path, two_device_run: Finished, fleet: tuple[str, ...], cwd: Path) -> None:
    """The same request again with `--reuse` takes every window and the judgement, and leaves the same bytes."""
    again = finished_run(cwd, "--source", f"csv:{bars}", *SPAN, *fleet, "--run-id", "again", "--reuse")
    assert tree(again.folder / "windows") == tree(two_device_run.folder / "windows")
    for name in ("validation.json", "statistics.json"):
        first = (two_device_run.folder / name).read_text().replace('"run_id": "generated"', '"run_id": "again"')
        assert without_hashes((again.folder / name).read_text()) == without_hashes(first)
    for name in ("validation/rows.parquet", "validation/daily.parquet"):
        assert (again.folder / name).read_bytes() == (two_device_run.folder / name).read_bytes()
    assert again.summary["judgement_from"] == "generated"
    plots = cwd / "release" / "audit_generated" / "plots", cwd / "release" / "audit_again" / "plots"
    names = {path.name for path in plots[0].iterdir()}
    assert {path.name for path in plots[1].iterdir()} == names - {"phases.json", "devices.json"}
    shown = command("status", "again", cwd=cwd).stdout
    assert "judgement: adopted from generated" in shown
    counts = again.summary["windows"]
    assert f"reused: {counts['teacher']['success']} teachers, {counts['student']['success']} students" in shown
    for role in ROLES:
        assert counts[role] == two_device_run.summary["windows"][role] | {"reused": counts[role]["success"]}
        for label, row in trained(again, role).items():
            metadata = json.loads((RunLayout(again.folder).artifact(label, role) / "metadata.json").read_bytes())
            assert (row.reused_from, row.key) == ("generated", metadata["key"])
        assert all(row.reused_from is None for row in trained(two_device_run, role).values())


def test_the_next_night_trains_only_what_is_new(
    bars: Path, two_device_run: Finished, fleet: tuple[str, ...], cwd: Path
) -> None:
    """With one more bar and a later end, only teachers of new windows and students with new scored days are trained."""
    assert (LAST_BAR, SPAN[3]) == (date(2024, 12, 31), "2024-09-30")
    later = shutil.copytree(bars, cwd / "later")
    for path in later.rglob("*.csv"):
        with path.open("a") as file:
            file.write("2025-01-01T00:00:00+05:30,101.5,103.25,100.75,102.5,40000\n")
    next_night = finished_run(
        cwd, "--source", f"csv:{later}", *SPAN[:2], "--end-date", "2024-12-09", *SPAN[4:],
        *fleet, "--run-id", "next", "--reuse",
    )  # fmt: skip
    known = windows(two_device_run)
    same_teacher = {label for label in trained(next_night, Role.TEACHER) if label in known}
    same_student = {label for label in same_teacher if windows(next_night)[label] == known[label]}
    expected = {Role.TEACHER: same_teacher, Role.STUDENT: same_student}
    assert (len(same_teacher), len(same_student)) == (12, 9), "the fourth window of each symbol is scored for longer"
    for role in ROLES:
        rows = trained(next_night, role)
        assert len(rows) == 15, "the fifth window of each symbol is new"
        assert {label for label, row in rows.items() if row.reused_from == "generated"} == expected[role]
        assert {label for label, row in rows.items() if row.reused_from is None} == set(rows) - expected[role]
        assert next_night.summary["windows"][role]["reused"] == len(expected[role])
        for label in expected[role]:
            folders = [RunLayout(run.folder).artifact(label, role) for run in (two_device_run, next_night)]
            assert tree(folders[0]) == tree(folders[1])


@pytest.mark.parametrize("name", ["gurukul", "numpy"])
def test_resume_does_not_mix_versions(cwd: Path, name: str) -> None:
    """A run that began with another version of what decides the bytes is refused in one line, and not changed."""
    layout = RunLayout.under(cwd / "data", "generated")
    manifest = json.loads(layout.manifest.read_text())
    now, manifest["versions"][name] = manifest["versions"][name], "0.0.1"
    layout.manifest.write_text(json.dumps(manifest))
    shutil.rmtree(next((layout.folder / "windows").glob("*/student")))
    before = tree(cwd)
    result = command("resume", "generated", cwd=cwd)
    assert result.returncode == 2, result.stdout + result.stderr
    (line,) = result.stderr.splitlines()
    assert all(words in line for words in (f"began with {name} 0.0.1", now, "--reuse"))
    assert tree(cwd) == before


def test_resume_does_not_mind_what_decides_no_byte(cwd: Path) -> None:
    """Another version of a library that artifacts do not depend on is no reason to refuse."""
    layout = RunLayout.under(cwd / "data", "generated")
    manifest = json.loads(layout.manifest.read_text())
    manifest["versions"]["celery"] = "0.0.1"
    layout.manifest.write_text(json.dumps(manifest))
    result = command("resume", "generated", cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
