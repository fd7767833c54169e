"""The log of releases: a changed, removed or inserted line is detected."""

import os
from pathlib import Path

import pytest

from orchestrator.releases.history import History, locked, read
from schemas.contract.errors import RequestError
from schemas.contract.release import FIRST_LINK, Action
from schemas.files import jsonl_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of three lines."""
    path = tmp_path / "release" / "history.jsonl"
    with locked(path) as history:
        for who in ("asha", "ben", "chitra"):
            history.append(Action.APPROVED, who, run_id="one", note=f"by {who}")
    return path


def test_each_line_names_the_one_before(path: Path) -> None:
    """The first names zeros, every other the digest of the line before; numbers ascend from 1."""
    lines, fault = read(path)
    assert not fault
    assert [line.entry.seq for line in lines] == [1, 2, 3]
    assert [line.entry.previous_sha256 for line in lines] == [FIRST_LINK, lines[0].sha256, lines[1].sha256]


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda lines: [lines[0].replace(b"asha", b"mala"), *lines[1:]], 2),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [*lines[:2], lines[1], lines[2]], 3),
        (lambda lines: [*lines[:2], b"{}"], 3),
    ],
    ids=["changed", "removed", "first removed", "swapped", "doubled", "damaged"],
)
def test_a_changed_log_is_named_and_refused(path: Path, spoil: object, number: int) -> None:
    """The line where the chain breaks is named, and nothing can be added."""
    before = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(spoil(before)) + b"\n")  # type: ignore[operator]
    spoilt = path.read_bytes()
    assert f"line {number}" in read(path)[1]
    with pytest.raises(RequestError, match=f"line {number}"), locked(path) as history:
        history.append(Action.REJECTED, "mala", run_id="one")
    assert path.read_bytes() == spoilt


def test_a_line_half_written_was_never_acted_on(path: Path) -> None:
    """An incomplete last line, left by a crash, is ignored and removed by the next write."""
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":4,"time":"20')
    assert len(read(path)[0]) == 3
    with locked(path) as history:
        history.append(Action.REJECTED, "dev", run_id="one")
    assert path.read_bytes().startswith(whole)
    lines, fault = read(path)
    assert (len(lines), fault) == (4, "")


def test_one_process_at_a_time(path: Path) -> None:
    """While one process holds the log, another is refused at once."""
    with locked(path), pytest.raises(RequestError, match="held by another release command; wait"), locked(path):
        raise AssertionError("two hold it")


def test_two_commands_take_turns_on_a_network_file_system(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no lock suffices the second names the process of the first, and the chain stays whole."""
    monkeypatch.setattr(jsonl_log, "network_file_system", lambda path: "nfs4")
    monkeypatch.setattr(jsonl_log, "lock", lambda file, wait: False)
    named = rf"held by another release command \(process {os.getpid()} on .*; if that has ended, remove .*owner\); wait"
    with locked(path) as history:
        history.append(Action.REJECTED, "dev", run_id="one")
        with pytest.raises(RequestError, match=named), locked(path):
            raise AssertionError("two hold it")
    with locked(path) as history:
        history.append(Action.REJECTED, "dev", run_id="one")
    assert len(read(path)[0]) == 5 and not read(path)[1]


def test_what_is_appended_is_what_is_read(path: Path) -> None:
    """Lines in memory and on disk agree, digests included."""
    with locked(path) as history:
        assert isinstance(history, History)
        history.append(Action.APPROVED, "eva", run_id="two", symbols=("M&M", "^GSPC"), override="because")
        kept = list(history.lines)
    assert read(path)[0] == kept
