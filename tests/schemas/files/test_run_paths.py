"""Paths in a manifest: what is stored and what a reader makes of it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.folders import beside_data
from schemas.config.run import RunConfig
from schemas.files.run_paths import PATHS, located, portable

DATES = {"start_date": "2022-01-01", "end_date": "2022-12-31"}
names = st.text("abc", min_size=1, max_size=3)
folders = st.lists(names | st.just(".."), min_size=1, max_size=4).map("/".join)


def config(**settings: str) -> RunConfig:
    """A config with these settings."""
    return RunConfig.model_validate(DATES | settings)


@given(data_dir=folders, path=folders, reader=folders)
def test_a_path_is_the_same_file_for_every_reader(data_dir: str, path: str, reader: str) -> None:
    """Stored and read again, from whichever folder, each path names the file that it named when the run began."""
    begun = config(data_dir=data_dir, source=f"csv:{path}", **dict.fromkeys(PATHS, path))
    stored = portable(begun, Path(data_dir))
    seen_as = os.path.relpath(Path(data_dir).absolute(), Path(reader).absolute())
    found = located(stored, Path(reader).absolute() / seen_as)
    wanted = Path(path).resolve()
    assert stored.data_dir == "."
    assert all(Path(getattr(found, name)).resolve() == wanted for name in PATHS)
    assert Path(found.source.removeprefix("csv:")).resolve() == wanted


def test_a_project_folder_can_be_moved(tmp_path: Path) -> None:
    """What is below or beside the data folder moves with it; other paths stay where they are."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    begun = config(data_dir=str(project / "data"), source=f"csv:{project}/bars", release_dir=str(outside))
    found = located(portable(begun, project / "data"), tmp_path / "moved" / "data")
    assert found.source == f"csv:{tmp_path}/moved/bars" and found.log_dir == f"{tmp_path}/moved/logs"
    assert found.release_dir == str(outside)


def test_a_link_to_the_data_folder_leads_to_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`..` of a link is not the folder that holds the link: logs beside it are stored absolute, and found by both."""
    (tmp_path / "disk/data").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path("data").symlink_to(tmp_path / "disk/data")
    stored = portable(config(), Path("data"))
    for reader in (Path("data"), tmp_path / "disk/data"):
        assert Path(located(stored, reader).log_dir).resolve() == tmp_path / "project/logs"
    beside = portable(config(log_dir=str(tmp_path / "disk/logs")), Path("data"))
    assert Path(located(beside, Path("data")).log_dir).resolve() == tmp_path / "disk/logs"


@pytest.mark.parametrize(
    ("data_dir", "release"), [("data", "/p/release"), ("run/data", "/release"), ("/x/data", "release")]
)
def test_manifests_of_earlier_versions_stay_readable(data_dir: str, release: str) -> None:
    """Their paths were relative to the folder of the run's start, which leads to the data folder by their data_dir."""
    old = config(data_dir=data_dir, release_dir="release")
    assert located(old, Path("/p/data")).release_dir == release


@pytest.mark.parametrize(
    ("data_dir", "folder"), [("data", "release"), ("../a/data/", "../a/release"), ("/data", "/release")]
)
def test_folders_are_beside_the_data_folder(data_dir: str, folder: str) -> None:
    """Without --release-dir the folder is beside the data folder, written as that is written."""
    assert beside_data("release")({"data_dir": data_dir}) == folder
    assert config(data_dir=data_dir).release_dir == folder


def test_a_data_folder_that_is_the_working_folder_has_a_neighbour(tmp_path: Path) -> None:
    """`.` stands for its absolute path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert beside_data("logs")({"data_dir": "."}) == str(tmp_path.parent / "logs")
