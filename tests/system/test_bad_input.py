"""What cannot be run is said in one line, exit code 2, and nothing is written."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import orchestrator, write_bars

DATES = ("--start-date", "2024-01-01", "--end-date", "2024-06-30")
HEADER = "timestamp,open,high,low,close,volume"
GOOD = ["2024-01-01,10,11,9,10,5", "2024-01-02,10,11,9,10,5", "2024-01-03,10,11,9,10,5"]


def refused(cwd: Path, *arguments: str) -> str:
    """The one line that `run` and `plan` print on stderr; asserts exit 2 and that nothing was written."""
    before = sorted(cwd.rglob("*"))
    lines = []
    for command in ("run", "plan"):
        result = orchestrator(command, *arguments, cwd=cwd)
        assert result.returncode == 2, result.stdout + result.stderr
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        lines.append(line)
    assert sorted(cwd.rglob("*")) == before
    assert lines[0] == lines[1]
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "NOSUCH"], ["NOSUCH", "sample"]),
        (["--symbols", "../IBM"], ["../IBM", "--symbols"]),
        (["--start-date", "2013-01-01", "--end-date", "2012-01-01"], ["2013-01-01", "2012-01-01"]),
        (["--start-date", "01/02/2012"], ["--start-date", "01/02/2012", "YYYY-MM-DD"]),
        (["--end-date", "2012-02-30"], ["--end-date", "2012-02-30"]),
        (["--source", "csv:nowhere", *DATES], ["nowhere", "does not exist"]),
        (["--source", "postgres"], ["postgres", "csv:DIR"]),
        (["--source", "csv:."], ["--start-date", "missing"]),
        (["--broker", "redis://127.0.0.1:1/0"], ["127.0.0.1:1", "does not answer"]),
        (["--broker", "http://127.0.0.1"], ["--broker", "redis://"]),
        (["--devices", "gpu:99"], ["gpu 99", "--devices"]),
        (["--devices", "tpu"], ["tpu", "cpu:2x4"]),
        (["--window-days", "many"], ["--window-days", "many"]),
        (["--threshold", "nan"], ["--threshold"]),
        (["--no-local-workers"], ["--broker"]),
        (["--run-id", "a/b"], ["a/b"]),
        (["--skip-fetch"], ["coverage.json", "--skip-fetch"]),
        (["--symbols-file", "nofile"], ["nofile"]),
        (["--config", "nofile.toml"], ["nofile.toml"]),
        (["--timezone", "Mars/X"], ["--timezone", "Mars/X"]),
    ],
)
def test_a_request_that_cannot_be_run(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """The line names the value and what is wrong with it."""
    line = refused(tmp_path, *arguments)
    assert all(word in line for word in words), line


def test_an_empty_symbols_file(tmp_path: Path) -> None:
    """A file of comments names no symbol, and is itself named."""
    (tmp_path / "symbols.txt").write_text("# nothing yet\n\n")
    assert "symbols.txt names no symbol" in refused(tmp_path, "--symbols-file", "symbols.txt")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([HEADER.replace(",close", ""), "2024-01-01,10,11,9,5"], ["line 1", "close", "missing"]),
        ([HEADER, GOOD[0], "2024-01-02,10,11,abc,10,5", GOOD[2]], ["line 3", "low", "'abc'"]),
        ([HEADER, GOOD[0], GOOD[1], GOOD[1]], ["line 4", "2024-01-0", "repeats"]),
        ([HEADER, GOOD[1], GOOD[0], GOOD[2]], ["line 3", "earlier"]),
        ([HEADER, GOOD[0], "2024-13-02,10,11,9,10,5"], ["line 3", "2024-13-02"]),
        ([HEADER], ["no bars"]),
    ],
    ids=["missing column", "text in a price", "duplicate", "unsorted", "bad timestamp", "no rows"],
)
def test_a_csv_that_cannot_be_trusted(tmp_path: Path, lines: list[str], words: list[str]) -> None:
    """The line names the file and the line in it."""
    folder = write_bars(tmp_path / "bars", ("GOOD",))
    (folder / "BAD.csv").write_text("\n".join(lines) + "\n")
    line = refused(tmp_path, "--source", "csv:bars", *DATES)
    assert "BAD.csv" in line
    assert all(word in line for word in words), line


@pytest.mark.parametrize("flag", ["--data-dir", "--release-dir", "--log-dir", "--telemetry-dir"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, flag: str) -> None:
    """A file where a folder should be is refused before anything is written, with the flag's name."""
    (tmp_path / "file").write_text("")
    result = orchestrator("run", "--symbols", "IBM", flag, "file/inside", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert f"{flag} file/inside" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_daily_bars_are_not_taken_for_minutes(tmp_path: Path) -> None:
    """Bars whose spacing is not the interval are refused with both."""
    (tmp_path / "DAILY.csv").write_text("\n".join([HEADER, *GOOD]) + "\n")
    line = refused(tmp_path, "--source", "csv:.", "--interval", "5minute", *DATES)
    assert "1440 minutes apart" in line
    assert "5minute" in line


def test_a_damaged_ledger_does_not_hide_other_runs(tmp_path: Path) -> None:
    """`status` of a run whose ledger is cut off says so in one line; `runs` goes on to the others."""
    orchestrator("run", "--symbols", "IBM", "--end-date", "2006-01-01", "--run-id", "whole", cwd=tmp_path)
    folder = tmp_path / "data" / "models"
    shutil.copytree(folder / "whole", folder / "cut")
    ledger = folder / "cut" / "ledger.db"
    ledger.write_bytes(ledger.read_bytes()[:9000])
    result = orchestrator("status", "cut", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    result = orchestrator("runs", cwd=tmp_path)
    assert result.returncode == 0
    assert "whole" in result.stdout


def test_a_run_id_is_not_taken_twice(tmp_path: Path) -> None:
    """An existing run is never overwritten; the line says how to resume it."""
    (tmp_path / "data" / "models" / "mine").mkdir(parents=True)
    result = orchestrator("run", "--symbols", "IBM", "--run-id", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "exists already" in result.stderr
    assert list((tmp_path / "data" / "models" / "mine").iterdir()) == []


@pytest.mark.parametrize("command", ["status", "resume"])
def test_a_run_that_is_not_there(tmp_path: Path, command: str) -> None:
    """`status` and `resume` of an unknown run say so and create nothing."""
    result = orchestrator(command, "ghost", cwd=tmp_path)
    assert result.returncode == 2
    assert "no run ghost" in result.stderr
    assert list(tmp_path.iterdir()) == []
