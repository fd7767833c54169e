"""Artifacts' folders: whole or none, also after a process that was killed while it removed one."""

import shutil
from pathlib import Path

import pytest

from schemas.files.atomic import artifact_folder, remove_artifact
from schemas.files.layout import METADATA


def write(target: Path, content: str) -> None:
    """Write an artifact of a model and its metadata."""
    with artifact_folder(target) as folder:
        (folder / "model").write_text(content)
        (folder / METADATA).write_text(content)


def test_what_a_removal_that_was_cut_short_leaves_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no metadata, by which it would be taken for an artifact."""
    write(target := tmp_path / "teacher", "first")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        remove_artifact(target)
    assert sorted(path.name for path in target.iterdir()) == ["model"]
    write(target, "second")
    assert (target / "model").read_text() == "second"


def test_an_artifact_that_is_written_already_stays(tmp_path: Path) -> None:
    """Training is deterministic; another process may be reading the first."""
    write(target := tmp_path / "teacher", "first")
    write(target, "second")
    assert (target / "model").read_text() == "first" and [path.name for path in tmp_path.iterdir()] == ["teacher"]
    remove_artifact(target)
    assert not target.exists()
