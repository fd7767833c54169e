"""A request that cannot be run is one line of error and exit code 2, and nothing is written."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Finished, command

DATES = ("--start-date", "2024-01-01", "--end-date", "2024-06-30")


def refused(cwd: Path, *arguments: str) -> str:
    """The one line that `run` and `plan` print on stderr; asserts exit 2 and that nothing was written."""
    before = sorted(cwd.rglob("*"))
    lines = []
    for name in ("run", "plan"):
        result = command(name, *arguments, cwd=cwd)
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
        (["--calendar", "XNSY"], ["--calendar", "XNSY", "XNYS"]),
        (["--corporate-actions", "nofile.csv", "--source", "csv:.", *DATES], ["nofile.csv"]),
        (["--second-source", "csv:nowhere"], ["nowhere", "does not exist"]),
        (["--source", "breeze", "--symbols", "TCS", *DATES], ["BREEZE_API_KEY"]),
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


@pytest.mark.parametrize("flag", ["--data-dir", "--release-dir", "--log-dir", "--telemetry-dir", "--trials-dir"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, flag: str) -> None:
    """A file where a folder should be is refused before anything is written, with the flag's name."""
    (tmp_path / "file").write_text("")
    result = command("run", "--symbols", "IBM", flag, "file/inside", cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert f"{flag} file/inside" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_damaged_ledger_does_not_hide_other_runs(two_device_run: Finished, tmp_path: Path) -> None:
    """`status` of a run whose ledger is cut off is one line of error; `runs` still lists the others."""
    folder = tmp_path / "data" / "models"
    for name in ("whole", "cut"):
        shutil.copytree(two_device_run.folder, folder / name)
        manifest = folder / name / "run.json"
        manifest.write_text(manifest.read_text().replace('"generated"', f'"{name}"'))
    ledger = folder / "cut" / "ledger.db"
    ledger.write_bytes(ledger.read_bytes()[:9000])
    result = command("status", "cut", cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    result = command("runs", cwd=tmp_path)
    assert result.returncode == 0
    assert "whole" in result.stdout


def test_a_run_id_is_not_taken_twice(tmp_path: Path) -> None:
    """An existing run is never overwritten; the error names the command that resumes it."""
    (tmp_path / "data" / "models" / "mine").mkdir(parents=True)
    result = command("run", "--symbols", "IBM", "--run-id", "mine", cwd=tmp_path)
    assert result.returncode == 2
    assert "exists already" in result.stderr
    assert list((tmp_path / "data" / "models" / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["status", "resume"])
def test_an_unknown_run(tmp_path: Path, name: str) -> None:
    """`status` and `resume` of an unknown run are errors and create nothing."""
    result = command(name, "ghost", cwd=tmp_path)
    assert result.returncode == 2
    assert "no run ghost" in result.stderr
    assert list(tmp_path.iterdir()) == []
