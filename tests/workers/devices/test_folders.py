"""A worker reads and writes only under the folders that it was started for, whatever a message names."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.config.bars import BarsSettings, IngestConfig
from schemas.contract.folders import FOLDERS_ENV, Folders, paths_read
from schemas.contract.task import FailureClass, IngestTask, Role, RunTask, Status
from tests.conftest import write_bars
from workers.devices.folders import own_folders
from workers.handlers.execute import attempt
from workers.handlers.report import parse

NAMES = st.lists(st.sampled_from(["a", "ab", "b", ".."]), min_size=1, max_size=5).map("/".join)


def settings(source: str, **others: str) -> BarsSettings:
    """Settings of an ingestion as a message carries them: written by any program, so paths are taken as they are."""
    usual = IngestConfig(timezone="UTC", calendar="none").bars(None, None)
    return usual.model_copy(update={"source": source} | others)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    """A worker's folders; beside them are others with bars, and a link that leads out."""
    monkeypatch.setattr("workers.handlers.ingest.shared", lambda: None)  # the broker paces requests to vendors alone
    for name in ("bars", "bars2", "elsewhere"):
        write_bars(tmp_path / name, ("TCS",))
    (tmp_path / "bars" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "actions.csv").write_text("symbol,ex_date,action,ratio\n")
    return Folders(data_dir=str(tmp_path / "data"), sources=(str(tmp_path / "bars"),)).resolved()


def ingest(folders: Folders, found: BarsSettings) -> Any:
    """The outcome of a message that asks for these bars."""
    return attempt(IngestTask(run_id="r", telemetry=False, symbol="TCS", settings=found), "cpu0@here", folders)


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ("csv:{0}/elsewhere", {}),
        ("csv:{0}/bars/../elsewhere", {}),
        ("csv:{0}/bars/out", {}),
        ("csv:{0}/bars2", {}),
        ("csv:/", {}),
        ("parquet:{0}/elsewhere", {}),
        ("csv:{0}/bars", {"second_source": "csv:{0}/elsewhere"}),
        ("csv:{0}/bars", {"corporate_actions": "{0}/actions.csv"}),
        ("csv:{0}/bars", {"secrets_file": "/etc/passwd"}),
    ],
)
def test_a_message_cannot_have_other_files_read(
    folders: Folders, tmp_path: Path, source: str, others: dict[str, str]
) -> None:
    """`..`, a link that leads out, a folder of a like name, any other path: class `data`, one line with the remedy."""
    changed = {name: value.format(tmp_path) for name, value in others.items()}
    outcome = ingest(folders, settings(source.format(tmp_path), **changed))
    assert (outcome.status, outcome.failure) == (Status.FAILED, FailureClass.DATA)
    assert outcome.message.startswith(
        f"cpu0@here reads files only under {tmp_path / 'data'}, {tmp_path / 'bars'}, and "
    )
    assert "`workers start --source-dir " in outcome.message and "\n" not in outcome.message
    assert not (tmp_path / "data").exists()


def test_what_lies_under_the_folders_is_read(folders: Folders, tmp_path: Path) -> None:
    """The given folder, a folder of the data folder, and a granted file are read as before."""
    assert ingest(folders, settings(f"csv:{tmp_path}/bars")).status is Status.SUCCESS
    write_bars(tmp_path / "data" / "own", ("TCS",))
    assert ingest(folders, settings(f"csv:{tmp_path}/data/own")).status is Status.SUCCESS
    granted = folders.model_copy(update={"sources": (*folders.sources, str(tmp_path / "actions.csv"))})
    with_file = settings(f"csv:{tmp_path}/bars", corporate_actions=str(tmp_path / "actions.csv"))
    assert ingest(granted, with_file).status is Status.SUCCESS


@given(st.lists(NAMES, max_size=3), NAMES)
def test_a_path_is_inside_only_by_whole_names(sources: list[str], path: str) -> None:
    """A path is accepted exactly if, after `..`, an allowed folder is one of its parents or the path itself."""
    folders = Folders(data_dir="/data", sources=tuple(f"/{each}" for each in sources)).resolved()
    real = os.path.normpath(f"/{path}")
    parents = {real, *map(str, Path(real).parents)}
    allowed = bool(parents & {folders.data_dir, *folders.sources})
    assert (folders.refused(paths_read(settings(f"csv:/{path}"))) == "") is allowed


def test_a_message_names_no_folder() -> None:
    """A message with a data or release folder, as earlier versions sent it, is not a message."""
    task = RunTask(run_id="r", role=Role.AUDIT)
    assert parse(task.model_dump(mode="json")) == task
    for name in ("data_dir", "release_dir"):
        with pytest.raises(ValidationError):
            parse(json.loads(task.model_dump_json()) | {name: "/etc"})


def test_a_worker_follows_the_link_that_it_was_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are resolved at each use: the folder in a heartbeat is the one that the next task works under."""
    link = tmp_path / "data"
    monkeypatch.setenv(FOLDERS_ENV, Folders(data_dir=str(link)).model_dump_json())
    for name in ("first", "second"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name)
        assert own_folders().data_dir == str(tmp_path / name)
