"""The ledger of trials and its copy: one chain each, and what is missing in one is found in the other."""

from pathlib import Path

import pytest

from schemas.config.folders import user_state_folder
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError
from schemas.files.layout import RunLayout
from schemas.files.trial_log import append_trial, known_trials, trial_logs
from tests.trials import trial


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    """A ledger and a copy with the same three lines."""
    found = tmp_path / "state" / "trials.jsonl", tmp_path / "data" / "trials.jsonl"
    for number in range(3):
        append_trial(found, trial(number, data_dir=str(tmp_path / "data")))
    return found


def test_both_logs_hold_every_trial(logs: tuple[Path, Path]) -> None:
    """The oldest comes first, and nothing is wrong with them."""
    known = known_trials(logs)
    assert [each.run_id for each in known.trials] == ["r0", "r1", "r2"]
    assert known.faults == ()


@pytest.mark.parametrize("place", [0, 1], ids=["ledger", "copy"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_cut_line_is_reported_and_still_counted(logs: tuple[Path, Path], place: int, number: int) -> None:
    """A line that is removed from one file is counted from the other, and both the gap and the lack are reported."""
    lines = logs[place].read_text().splitlines(keepends=True)
    logs[place].write_text("".join(lines[:number] + lines[number + 1 :]))
    known = known_trials(logs)
    assert [each.run_id for each in known.trials] == ["r0", "r1", "r2"]
    assert any(f"{logs[place]} lacks 1" in fault for fault in known.faults)
    gaps = [fault for fault in known.faults if f"{logs[place]} line {number + 1} does not follow" in fault]
    assert len(gaps) == (number < 2)


def test_a_changed_line_is_said(logs: tuple[Path, Path]) -> None:
    """A line whose text was changed no longer fits the next one's digest; a damaged one is not counted from there."""
    logs[0].write_text(logs[0].read_text().replace('"settings":"s"', '"settings":"t"', 1))
    assert any("line 2 does not follow" in fault for fault in known_trials(logs).faults)
    logs[1].write_text("{}\n" + logs[1].read_text())
    assert any("line 1 is damaged and not counted" in fault for fault in known_trials(logs).faults)


def test_lines_after_a_gap_are_said_once(logs: tuple[Path, Path]) -> None:
    """A line appended to a broken chain continues it: the report names the gap, not every line after it."""
    logs[0].write_text("".join(logs[0].read_text().splitlines(keepends=True)[1:]))
    append_trial(logs, trial(3, data_dir=str(logs[1].parent)))
    assert sum("does not follow" in fault for fault in known_trials(logs).faults) == 1


def test_a_fresh_state_folder_is_said(logs: tuple[Path, Path]) -> None:
    """Without the ledger the copy's lines count; what it cannot hold, trials of other data folders, is not there."""
    logs[0].unlink()
    known = known_trials(logs)
    assert len(known.trials) == 3
    assert any(f"{logs[0]} lacks 3 of 3 lines of {logs[1]}" in fault for fault in known.faults)


def test_a_judged_run_without_a_line_is_said(logs: tuple[Path, Path]) -> None:
    """Cutting a run's lines from both files is found by its folder."""
    layout = RunLayout.under(logs[1].parent, "r9")
    layout.folder.mkdir(parents=True)
    layout.statistics.touch()
    assert any("No line for 1 of the judged runs" in fault and "r9" in fault for fault in known_trials(logs).faults)


def test_trials_of_other_folders_are_not_missed_in_the_copy(logs: tuple[Path, Path]) -> None:
    """The ledger has the trials of every data folder, a copy only its own."""
    append_trial(logs[:1], trial(7, data_dir="/elsewhere"))
    known = known_trials(logs)
    assert len(known.trials) == 4 and known.faults == ()


def test_a_half_written_line_is_cut_off(logs: tuple[Path, Path]) -> None:
    """A crash in the middle of a write leaves no damaged line behind."""
    with logs[0].open("a") as file:
        file.write('{"prev')
    append_trial(logs, trial(3, data_dir=str(logs[1].parent)))
    assert known_trials(logs).faults == ()


def test_the_ledger_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of --trials-dir, else gurukul in $XDG_STATE_HOME, which must be absolute, or in ~/.local/state."""
    config = RunConfig.model_validate({"source": "csv:x", "start_date": "2022-01-01", "end_date": "2023-01-01"})
    given = config.model_copy(update={"trials_dir": "own", "data_dir": "d"})
    assert trial_logs(given) == (Path("own/trials.jsonl"), Path("d/trials.jsonl"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert trial_logs(config)[0] == tmp_path / "gurukul" / "trials.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_state_folder() == tmp_path / ".local" / "state" / "gurukul"
    monkeypatch.setattr(Path, "home", _no_home)
    with pytest.raises(RequestError, match="give --trials-dir"):
        trial_logs(config)


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")
