"""`explain`, `replay` and `verify` on a run that has ended, as a user who checks every number runs them.

Each runs once as a process that asks another one, as for users; else both are this process.
"""

import json
import shutil
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from schemas.contract.extras import missing_modules
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from tests.conftest import SPAN, Finished, command, finished_run, orchestrator, tree
from workers.bars.store import encode


@pytest.fixture
def cwd(two_device_run: Finished, tmp_path: Path) -> Path:
    """A copy of the folder in which run `generated` has ended, which a test may damage."""
    return shutil.copytree(two_device_run.cwd, tmp_path / "copy")


@pytest.fixture
def label(two_device_run: Finished) -> str:
    """The first trained window."""
    rows = read_rows(RunLayout(two_device_run.folder), Role.STUDENT)
    return next(row.window_label for row in rows if row.status is Status.SUCCESS)


def student(cwd: Path, label: str) -> Path:
    return cwd / "data" / "models" / "generated" / "windows" / label / "student"


def test_explain_shows_rows_split_fit_and_scores(two_device_run: Finished, label: str) -> None:
    """It prints the numbers of the stored metadata; only text that cannot be wrapped is wider than 80 columns."""
    result = orchestrator("explain", "generated", label, cwd=two_device_run.cwd)
    assert result.returncode == 0, result.stderr
    metadata = json.loads((student(two_device_run.cwd, label) / "metadata.json").read_text())
    for loss in ("prior_log_loss", "log_loss_without_teacher", "log_loss", "teacher_log_loss"):
        assert f"{metadata['fidelity'][loss]:.4f}" in result.stdout
    saved = 1e3 * (metadata["fidelity"]["log_loss_without_teacher"] - metadata["fidelity"]["log_loss"])
    changed = (
        f"the teacher {'saved' if saved > 0 else 'cost'} {abs(saved):.2f} thousandths" if saved else "changed nothing"
    )
    assert changed in " ".join(result.stdout.split())
    for part in ("= fit", "x purged", "~ tail", "# scored"):
        assert part in result.stdout
    assert "certificate" in result.stdout and "no leaks" in result.stdout


def test_explain_lists_every_row_on_demand(two_device_run: Finished, label: str) -> None:
    """`--rows --json` holds each training row and each scored one, by part, with spans in ascending order."""
    result = command("explain", "generated", label, "--rows", "--json", cwd=two_device_run.cwd)
    found = json.loads(result.stdout)
    metadata = json.loads((student(two_device_run.cwd, label) / "metadata.json").read_text())
    parts = [row["part"] for row in found["rows"]]
    assert parts.count("scored") == metadata["rows"]["scored"]
    assert len(parts) - parts.count("scored") == metadata["rows"]["train"]
    assert all(row["decided"] < row["label_end"] and row["day"] < row["last_day"] for row in found["rows"])
    assert {row["block"] for row in found["rows"]} == {0, 1, 2, 3, None}


def test_replay_gives_every_bit_again_and_leaves_nothing(two_device_run: Finished, label: str) -> None:
    """All files of a window are equal, nine or ten with a teacher that is added; the run's folder is unchanged."""
    before = tree(two_device_run.folder)
    result = orchestrator("replay", "generated", label, "--json", cwd=two_device_run.cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    files = json.loads(result.stdout)["files"]
    assert len(files) in (9, 10) and all(file["stored"] == file["again"] for file in files)
    assert tree(two_device_run.folder) == before


def test_replay_names_the_changed_file(cwd: Path, label: str) -> None:
    """One number of a stored model changed: exit code 3, that file alone differs."""
    path = student(cwd, label) / "model.json"
    model = json.loads(path.read_text())
    path.write_text(json.dumps(model | {"intercept": model["intercept"] + 0.1}, indent=2) + "\n")
    result = command("replay", "generated", label, "--json", cwd=cwd)
    assert result.returncode == 3
    files = json.loads(result.stdout)["files"]
    assert [file["path"].rsplit("/", 1)[1] for file in files if file["stored"] != file["again"]] == ["model.json"]


def test_replay_works_after_the_bars_were_corrected(cwd: Path, label: str) -> None:
    """A later ingestion replaces the stored bars of every symbol; the run has kept those that it read."""
    for path in (cwd / "data" / "bars" / "1day").glob("*.parquet"):
        table = pq.ParquetFile(path).read()
        place = table.column_names.index("close")
        path.write_bytes(encode(table.set_column(place, "close", pc.multiply(table["close"], 1.01))))
    result = command("replay", "generated", label, "--json", cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr


def test_replay_without_the_bars_is_an_error(cwd: Path, label: str) -> None:
    """Missing bars are an error of one line, not a comparison with other bars."""
    shutil.rmtree(cwd / "data" / "bars")
    shutil.rmtree(RunLayout.under(cwd / "data", "generated").bars)
    result = command("replay", "generated", label, cwd=cwd)
    assert result.returncode == 2
    assert "is gone: the bars that the window was trained on are needed" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_verify_proves_an_untouched_run(two_device_run: Finished) -> None:
    """Every file is hashed and every certificate proved again."""
    result = orchestrator("verify", "generated", "--json", cwd=two_device_run.cwd)
    assert result.returncode == 0, result.stdout
    found = json.loads(result.stdout)
    trained = two_device_run.summary["windows"]["student"]["success"]
    assert found["windows"] == found["certificates"] == trained
    added = len(list((two_device_run.folder / "windows").glob("*/student/teacher.ubj")))
    assert found["files"] == 9 * trained + added + 10  # validation, statistics and eight gates
    assert found["broken"] == found["notes"] == []


def test_verify_names_changed_missing_and_foreign_files(cwd: Path, label: str) -> None:
    """A changed byte in any file of a run, a missing file and an unlisted one are each named, with exit code 3.

    `metadata.json` is changed in another window: what it lists is then not trusted.
    """
    folder = student(cwd, label)
    other = next(path for path in sorted(folder.parents[1].glob("*/student")) if path != folder)
    for path in (folder / "predictions.parquet", folder.with_name("teacher") / "model.ubj", other / "metadata.json"):
        path.write_bytes(path.read_bytes() + b"\n")
    (folder / "model.json").rename(folder / "other.json")
    result = command("verify", "generated", cwd=cwd)
    assert result.returncode == 3
    printed = result.stdout.replace("\n", "")
    assert str(Path(label, "student", "predictions.parquet")) in printed
    assert str(Path(label, "teacher", "model.ubj")) in printed
    assert str(Path(other.parent.name, "student", "metadata.json")) in printed
    assert "model.json is missing" in result.stdout and "other.json is in no metadata.json" in result.stdout


def test_bars_that_were_ingested_anew_are_a_note(cwd: Path) -> None:
    """Bars change with time, which is no fault of the run; a note reports it."""
    path = next((cwd / "data" / "bars" / "1day").glob("*.parquet"))
    path.write_bytes(path.read_bytes() + b"\n")
    result = command("verify", "generated", cwd=cwd)
    assert result.returncode == 0
    assert f"{path.name} has been replaced since" in result.stdout


@pytest.mark.parametrize("name", ["explain", "replay"])
def test_unknown_windows_and_runs_are_one_line(two_device_run: Finished, name: str) -> None:
    """An unknown label or run is named, with the nearest label that was trained."""
    result = command(name, "generated", "TCS_2020-01-01_to_2020-06-30", cwd=two_device_run.cwd)
    assert result.returncode == 2
    assert "has no window TCS_2020-01-01_to_2020-06-30; the nearest label is " in result.stderr
    result = command(name, "nothing", "TCS_2020-01-01_to_2020-06-30", cwd=two_device_run.cwd)
    assert result.returncode == 2 and "there is no run nothing" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_panel_with_everything_on(bars: Path, fleet: tuple[str, ...], tmp_path: Path) -> None:
    """A privileged panel teacher with barriers, of LightGBM if installed, booster students and reward weights."""
    teacher = "xgboost" if missing_modules(["lightgbm"]) else "lightgbm"
    run = finished_run(
        tmp_path, "--source", f"csv:{bars}", *SPAN, "--end-date", "2024-01-26", *fleet, "--run-id", "panel",
        "--scope", "panel", "--privileged", "path,cross-section", "--label", "triple-barrier", "--student", "booster",
        "--teacher", teacher,
        "--reward-weights", "--threshold", "0", "--student-scope", "symbol",
    )  # fmt: skip
    layout = RunLayout(run.folder)
    teachers = read_rows(layout, Role.TEACHER)
    assert {row.symbol for row in teachers} == {"PANEL"} and len(teachers) == 2
    students = [row for row in read_rows(layout, Role.STUDENT) if row.status is Status.SUCCESS]
    assert len({row.symbol for row in students}) == 3
    files = {path.name for path in layout.artifact(students[0].window_label, Role.STUDENT).iterdir()}
    assert files == {"model.ubj", "serving.json", "metadata.json", "predictions.parquet", "rewards.parquet"}
    replayed = command("replay", "panel", students[0].window_label, "--json", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    verified = json.loads(command("verify", "panel", "--json", cwd=tmp_path).stdout)
    assert verified["broken"] == [] and verified["certificates"] < verified["windows"]
    shown = command("explain", "panel", students[0].window_label, cwd=tmp_path)
    assert "its privileged features, unknown when a decision is made: cross-section, path" in shown.stdout
    assert "of 3 symbols" in shown.stdout
