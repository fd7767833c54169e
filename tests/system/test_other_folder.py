"""`--data-dir` decides where the files of a run are, whatever the working folder of the command."""

import json
import shutil
from pathlib import Path

import pytest

import gurukul
from orchestrator.dashboard.judged import audit_of
from orchestrator.dashboard.runs import read_run
from orchestrator.dashboard.watched import Watched
from orchestrator.exporter.metrics import Runs
from schemas.contract.event import EventStatus
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from tests.conftest import Finished, command, tree

LABEL = "{label}"

READING = {
    "runs": "generated",
    "status generated": "training_run_generated.jsonl",
    "watch generated": "ready-for-review",
    "watch generated --once": "ready-for-review",
    "verify generated": "",
    "telemetry tail generated --last 3": "run_end",
    f"explain generated {LABEL}": "certificate",
    f"replay generated {LABEL}": "equal to the bit",
    "compare generated generated": "the settings are the same",
    "releases": "nothing",
}


@pytest.fixture
def copy(two_device_run: Finished, tmp_path: Path) -> Finished:
    """A copy of the project folder of the finished run: moved elsewhere, and free to be changed."""
    return Finished(shutil.copytree(two_device_run.cwd, tmp_path / "project"), two_device_run.summary)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty working folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def a_label(run: Finished) -> str:
    """The first trained window."""
    rows = read_rows(RunLayout(run.folder), Role.STUDENT)
    return next(row.window_label for row in rows if row.status is Status.SUCCESS)


@pytest.mark.parametrize(("words", "expected"), READING.items(), ids=list(READING))
def test_a_command_shows_the_run_from_any_folder(
    two_device_run: Finished, elsewhere: Path, words: str, expected: str
) -> None:
    """A reading command exits with 0, shows the finished run, and leaves nothing in its working folder."""
    data_dir = str(two_device_run.cwd / "data")
    arguments = words.replace(LABEL, a_label(two_device_run)).split()
    result = command(*arguments, "--data-dir", data_dir, cwd=elsewhere)
    assert result.returncode == 0, result.stdout + result.stderr
    assert expected in result.stdout
    assert "not begun" not in result.stdout
    assert not tree(elsewhere)


def test_a_finished_run_is_resumed_from_any_folder(copy: Finished, elsewhere: Path) -> None:
    """`resume` of a finished run shows its recommendation; it takes the ledger, so a copy is resumed."""
    result = command("resume", "generated", "--data-dir", str(copy.cwd / "data"), cwd=elsewhere)
    assert result.returncode == 0 and "recommendation" in result.stdout, result.stdout + result.stderr
    assert not tree(elsewhere)


def test_a_moved_run_is_verified_with_its_own_audit(copy: Finished, elsewhere: Path) -> None:
    """The audit beside the moved data folder is hashed, not the one that the run wrote first."""
    data_dir = str(copy.cwd / "data")
    (copy.audit / "metrics.json").write_text("{}")
    result = command("verify", "generated", "--data-dir", data_dir, cwd=elsewhere)
    assert result.returncode == 3 and "metrics.json" in result.stdout


def test_status_names_files_that_exist(two_device_run: Finished, elsewhere: Path) -> None:
    """Folder, audit, log and telemetry of `status --json` exist, seen from the command's own folder."""
    result = command("status", "generated", "--data-dir", str(two_device_run.cwd / "data"), "--json", cwd=elsewhere)
    paths = json.loads(result.stdout)["paths"]
    assert set(paths) == {"run", "audit", "report", "log", "telemetry"}
    assert all((elsewhere / path).exists() for path in paths.values())


def test_screens_that_are_servers_find_the_run(
    two_device_run: Finished, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dashboard, metrics and API read events, audit and rows of the run from another folder."""
    monkeypatch.chdir(elsewhere)
    data_dir = str(two_device_run.cwd / "data")
    watched = Watched("generated", data_dir, None)
    with watched.lock:
        watched.refresh()
    assert watched.state.status == RunStatus.READY and not watched.state.counts[Role.STUDENT][EventStatus.FAILED]
    assert audit_of(read_run(RunLayout.under(data_dir, "generated")), "nowhere").is_dir()
    events = Runs(data_dir).look()["generated"].events
    assert events is not None and events.count > 10
    stored = gurukul.open_run("generated", data_dir=data_dir)
    assert stored.status is RunStatus.READY and len(stored.rows())
    assert stored.manifest.config.data_dir == data_dir


def test_releases_are_beside_the_data_folder(copy: Finished, elsewhere: Path) -> None:
    """approve, deploy, predict, releases and rollback with `--data-dir` alone use the one release folder beside it."""
    folder = ("--data-dir", str(copy.cwd / "data"))
    approval = ("approve", "generated", "--by", "a", "--override", "test", *folder)
    deployment = ("deploy", "generated", "--to", "staging", "--by", "a", *folder)
    for words in (
        approval,
        deployment,
        ("predict", "--env", "staging", "--max-age-days", "9999", *folder),
        ("releases", *folder),
    ):
        result = command(*words, cwd=elsewhere)
        assert result.returncode == 0, result.stdout + result.stderr
    assert "live in staging" in result.stdout
    assert "was the first release" in command("rollback", "staging", *folder, cwd=elsewhere).stderr
    assert (copy.cwd / "release" / "history.jsonl").is_file() and not tree(elsewhere)
