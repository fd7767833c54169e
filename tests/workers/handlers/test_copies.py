"""The limit of the copies in a worker's data folder."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.contract.folders import Folders
from schemas.files.free_space import GIB
from schemas.files.layout import BarsLayout, RunLayout
from workers.handlers.copies import IN_USE_S, KEPT_S, end_ingestion, keep_copies, note_use


def a_run(data_dir: Path, name: str, unused_s: float, *, own: bool = False) -> Path:
    """A run's folder of 1 MiB, last used so long ago; with a ledger if it is the orchestrator's own."""
    layout = RunLayout.under(data_dir, name)
    layout.artifact("A_1", "teacher").mkdir(parents=True)
    (layout.artifact("A_1", "teacher") / "model.ubj").write_bytes(bytes(1 << 20))
    if own:
        layout.ledger.write_bytes(b"")
    then = time.time() - unused_s
    os.utime(layout.folder, (then, then))
    return layout.folder


def test_the_longest_unused_copies_go_first(tmp_path: Path) -> None:
    """Down to the limit, but never a run with a ledger, one in use, or the one that is worked for."""
    day = 24 * IN_USE_S
    oldest, older = a_run(tmp_path, "oldest", 9 * day), a_run(tmp_path, "older", 8 * day)
    kept = [
        a_run(tmp_path, "own", 10 * day, own=True), a_run(tmp_path, "used", 10.0), a_run(tmp_path, "now", 11 * day),
        a_run(tmp_path, "newer", 2 * day),
    ]  # fmt: skip
    note_use("now", Folders(data_dir=str(tmp_path), cache_gib=2.5 * (1 << 20) / GIB))
    assert not oldest.exists() and not older.exists()
    assert all(folder.exists() for folder in kept)
    assert time.time() - kept[2].stat().st_mtime < IN_USE_S


def test_copies_of_an_attempt_that_runs_or_waits_stay(tmp_path: Path) -> None:
    """A window may run for hours, and its inputs are fetched before it begins."""
    folders = Folders(data_dir=str(tmp_path), store="s3://bucket", cache_gib=0.1 * (1 << 20) / GIB)
    runs = [a_run(tmp_path, name, 2 * IN_USE_S) for name in ("runs", "waits", "ended")]
    keep_copies(["runs/teacher/A_1/1", "waits/student/A_1/2", "gone/teacher/A_1/1", "no attempt"], folders)
    note_use("another", folders)
    assert [folder.exists() for folder in runs] == [True, True, False]


def test_copies_that_another_process_removes_meanwhile_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several pool children of a host come to a new run at once; the files of one that trains come and go."""
    gone, old = a_run(tmp_path, "gone", 3 * IN_USE_S), a_run(tmp_path, "old", 2 * IN_USE_S)
    walk = os.walk

    def walked(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for found in walk(folder):
            shutil.rmtree(gone, ignore_errors=True)
            yield found

    monkeypatch.setattr(os, "walk", walked)
    note_use("new", Folders(data_dir=str(tmp_path), store="s3://bucket", cache_gib=0.1 * (1 << 20) / GIB))
    assert (gone.exists(), old.exists()) == (False, False)


def test_without_a_limit_all_copies_stay(tmp_path: Path) -> None:
    """No limit is no limit."""
    folder = a_run(tmp_path, "oldest", 1e7)
    note_use("now", Folders(data_dir=str(tmp_path)))
    assert folder.exists()


def test_bars_that_were_fetched_a_day_ago_are_removed(tmp_path: Path) -> None:
    """Copies by digest alone: the stored bars of a symbol stay."""
    bars = BarsLayout.under(tmp_path, "1day")
    paths = (bars.copy("old"), bars.copy("new"), bars.bars("A"))
    bars.copies.mkdir(parents=True)
    for path, age_s in zip(paths, (KEPT_S + 10.0, KEPT_S - 10.0, 9 * KEPT_S), strict=True):
        path.write_bytes(b"")
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    note_use("now", Folders(data_dir=str(tmp_path), store="s3://bucket"))
    assert [path.exists() for path in paths] == [False, True, True]


def test_what_ended_ingestions_have_staged_is_removed(tmp_path: Path) -> None:
    """One that is in use or locked stays; that of a run goes with its first other work, others after an hour."""
    staged = {name: BarsLayout.under(tmp_path, "1day").staged(name) for name in ("dead", "locked", "used", "own")}
    for name, folder in staged.items():
        (folder / ".shared").mkdir(parents=True)
        then = time.time() - (10.0 if name == "used" else 2 * IN_USE_S)
        os.utime(folder, (then, then))
    handle = os.open(staged["locked"], os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    end_ingestion(str(tmp_path), "own")
    assert [name for name, folder in staged.items() if folder.exists()] == ["dead", "locked", "used"]
    note_use("now", Folders(data_dir=str(tmp_path), store="s3://bucket"))
    assert [name for name, folder in staged.items() if folder.exists()] == ["locked", "used"]
    os.close(handle)
