"""`orchestrator ingest` from the command line: real workers, real files, real kills."""

import json
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from schemas.contract.coverage import CoverageTable
from schemas.contract.quality import Check
from schemas.contract.window import SkipReason
from schemas.files.atomic import sha256_of
from schemas.files.layout import BarsLayout
from tests.conftest import (
    LAST_BAR,
    SPAN,
    SYMBOLS,
    Finished,
    SharedFleet,
    clean_environment,
    command,
    finished_run,
    processes_about,
    tree,
    write_bars,
)
from tests.waiting import wait_for

HEADER = "timestamp,open,high,low,close,volume"
GOOD = ["2024-01-01,10,11,9,10,5", "2024-01-02,10,11,9,10,6", "2024-01-03,10,11,9,10,5"]


def bars_of(cwd: Path) -> BarsLayout:
    return BarsLayout.under(cwd / "data", "1day")


def table_in(cwd: Path) -> CoverageTable:
    """The stored table; its digests are those of the files beside it."""
    bars = bars_of(cwd)
    table = CoverageTable.model_validate_json(bars.coverage.read_bytes())
    for symbol, row in table.symbols.items():
        assert sha256_of(bars.bars(symbol)) == row.sha256
    return table


def parquets(cwd: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(bars_of(cwd).folder.glob("*.parquet"))}


def staged(cwd: Path) -> set[Path]:
    """Bars that an ingestion has staged."""
    return set(bars_of(cwd).folder.glob(".staged-ingest*/*.parquet"))


def test_ingest_and_run_share_one_path(
    bars: Path, two_device_run: Finished, fleet: tuple[str, ...], tmp_path: Path
) -> None:
    """`ingest` stores the same bytes as `run`; a run with --skip-fetch trains on them without reading a source."""
    result = command("ingest", "--source", f"csv:{bars}", "--json", *fleet, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    table = table_in(tmp_path)
    assert CoverageTable.model_validate_json(result.stdout.splitlines()[-1]) == table
    assert sorted(table.symbols) == sorted(SYMBOLS)
    report = bars_of(tmp_path).report.read_text()
    assert all(symbol.replace("&", "&amp;") in report for symbol in SYMBOLS)
    assert parquets(tmp_path) == parquets(two_device_run.cwd)
    skipping = finished_run(tmp_path, "--source", "csv:gone", "--skip-fetch", *SPAN, *fleet)
    assert skipping.summary["windows"] == two_device_run.summary["windows"]
    assert tree(skipping.folder / "windows") == tree(two_device_run.folder / "windows")
    assert "data_ingestion" not in skipping.summary["phases"]


def broken(folder: Path, lines: list[str]) -> Path:
    write_bars(folder, ("GOOD",))
    (folder / "BAD.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["2024-01-01,10,11,abc,10,5", *GOOD[1:]], ["BAD.csv line 2", "low", "'abc'"]),
        ([*GOOD, "2024-01-03,10,11,9,10.5,5"], ["conflicting duplicate", "BAD.csv line 5"]),
        ([GOOD[0], "2024-13-02,10,11,9,10,5", GOOD[2]], ["BAD.csv line 3", "2024-13-02"]),
        ([], ["no bars", "BAD.csv"]),
    ],
    ids=["text in a price", "two bars of one day", "bad timestamp", "no rows"],
)
def test_a_broken_file_is_named_and_nothing_written(
    fleet: tuple[str, ...], tmp_path: Path, lines: list[str], words: list[str]
) -> None:
    """--validate-only prints file, line and fault of the bad symbol only, and writes no file."""
    folder = broken(tmp_path / "bars", lines)
    before = tree(tmp_path)
    result = command("ingest", "--source", f"csv:{folder}", "--validate-only", "--json", *fleet, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert tree(tmp_path) == before
    table = CoverageTable.model_validate_json(result.stdout.splitlines()[-1])
    assert (set(table.symbols), set(table.rejected)) == ({"GOOD"}, {"BAD"})
    output = "\n".join(line for line in result.stderr.splitlines() if line.startswith("reject"))
    assert all(word in output for word in words), output


def test_a_run_goes_on_without_a_rejected_symbol(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """The bad symbol's windows are skipped as rejected_data, with file and line; other windows are trained."""
    folder = broken(tmp_path / "bars", [GOOD[0], "2024-01-02,10,11,9,-1,5"])
    run = finished_run(tmp_path, "--source", f"csv:{folder}", *SPAN, *fleet)
    assert run.summary["skip_reasons"][SkipReason.REJECTED_DATA] > 0
    assert run.summary["windows"]["student"]["success"] > 0
    rows = json.loads((run.folder / "teacher_runs.json").read_text())
    skipped = [row for row in rows if row["symbol"] == "BAD"]
    assert {row["reason"] for row in skipped} == {"rejected_data"}
    assert all("close is -1" in row["message"] for row in skipped)
    assert {row["status"] for row in rows if row["symbol"] == "GOOD"} == {"success", "skipped"}
    assert "BAD" not in parquets(tmp_path)


def test_symbols_with_one_anothers_bars_are_rejected(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """One series under two names: neither is stored, and each finding names the other."""
    folder = write_bars(tmp_path / "bars", ("ONE", "TWO"))
    (folder / "COPY").mkdir()
    (folder / "COPY" / "1day").symlink_to(folder / "ONE" / "1day")
    result = command("ingest", "--source", f"csv:{folder}", *fleet, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    table = table_in(tmp_path)
    assert (set(table.symbols), set(table.rejected)) == ({"TWO"}, {"ONE", "COPY"})
    assert table.rejected["ONE"].findings[0].check is Check.SAME_SERIES
    assert "COPY" in table.rejected["ONE"].sentence
    assert set(parquets(tmp_path)) == {"TWO.parquet"}, "what is rejected replaces nothing"


def test_a_store_without_a_usable_symbol_is_a_failure(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """If every symbol is rejected, `ingest` and `run` exit with 3 and give the first symbol's reason."""
    folder = tmp_path / "bars"
    folder.mkdir()
    (folder / "BAD.csv").write_text(f"{HEADER}\n2024-01-01,10,11,9,x,5\n")
    for name in ("ingest", "run"):
        dates = ("--start-date", "2024-01-01", "--end-date", "2024-06-30") if name == "run" else ()
        result = command(name, "--source", f"csv:{folder}", *dates, *fleet, cwd=tmp_path)
        assert result.returncode == 3, result.stdout + result.stderr
        assert "none of 1 symbols may reach a model; first BAD: bad cell" in result.stdout
        assert "Traceback" not in result.stdout + result.stderr


def test_daily_bars_are_not_taken_for_minutes(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """Bars whose spacing is not the interval are rejected with both."""
    (tmp_path / "DAILY.csv").write_text("\n".join([HEADER, *GOOD]) + "\n")
    result = command("ingest", "--source", "csv:.", "--interval", "5minute", "--validate-only", *fleet, cwd=tmp_path)
    assert result.returncode == 3
    assert "1440 minutes apart" in result.stdout and "5minute" in result.stdout


def test_a_rejected_symbol_leaves_the_table_when_it_is_fixed(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """coverage.json has each symbol once: rejected while it is bad, stored once it is not."""
    folder = write_bars(tmp_path / "bars", ("GOOD", "SICK"))
    path = folder / "SICK" / "1day" / "bars.csv"
    whole = path.read_text()
    path.write_text(whole + "2025-01-02,1,2,3\n")
    assert command("ingest", "--source", f"csv:{folder}", *fleet, cwd=tmp_path).returncode == 0
    assert set(table_in(tmp_path).rejected) == {"SICK"}
    path.write_text(whole)
    result = command("ingest", "--source", f"csv:{folder}", "--symbols", "SICK", *fleet, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (set(table_in(tmp_path).symbols), table_in(tmp_path).rejected) == ({"GOOD", "SICK"}, {})


def test_a_killed_ingestion_leaves_old_bars_or_new(fleet: SharedFleet, tmp_path: Path) -> None:
    """An ingestion that is killed or interrupted leaves the complete old store; the next one replaces it."""
    symbols = tuple(f"S{number:02}" for number in range(24))
    old, new, cwd = tmp_path / "old", tmp_path / "new", tmp_path / "cwd"
    write_bars(old, symbols)
    write_bars(new, symbols, last=LAST_BAR - timedelta(days=10))
    cwd.mkdir()
    fleet.serve(cwd / "data")
    assert command("ingest", "--source", f"csv:{old}", *fleet, cwd=cwd).returncode == 0
    before, found = parquets(cwd), []
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        left = staged(cwd)
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "ingest", "--source", f"csv:{new}"],
            cwd=cwd, env=clean_environment() | {"LAB": str(cwd)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait_for(partial(lambda left: staged(cwd) - left, left), "the first bars laid ready")
        os.kill(process.pid, number)
        output = process.communicate()[0].decode()
        assert "Traceback" not in output
        wait_for(lambda: not processes_about(str(cwd)), "the end of its workers")
        found.append((process.returncode, code, parquets(cwd), output))
        table_in(cwd)
    assert command("ingest", "--source", f"csv:{new}", *fleet, cwd=cwd).returncode == 0
    after = parquets(cwd)
    assert before.keys() == after.keys() and all(before[name] != after[name] for name in before)
    for ended, code, stored, output in found:
        assert stored in (before, after)
        assert ended == code or (ended == 0 and stored == after), output
    assert set(table_in(cwd).symbols) == set(symbols)
    assert not [*tmp_path.rglob(".tmp-*"), *tmp_path.rglob(".staged-*")]


def test_bars_too_few_to_train_are_reported(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """Good bars that are too few for a window are stored, and the output states the number that a window needs."""
    folder = write_bars(tmp_path / "bars", ("NEW",), last=date(2022, 9, 30))
    result = command("ingest", "--source", f"csv:{folder}", "--validate-only", *fleet, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "too short to train: NEW; the first window needs 195 bars" in result.stdout


def test_a_damaged_table_is_named_before_any_work(bars: Path, fleet: tuple[str, ...], tmp_path: Path) -> None:
    """If coverage.json cannot be read, `ingest` and a run on stored bars exit with its name and the next step."""
    path = bars_of(tmp_path).coverage
    path.parent.mkdir(parents=True)
    path.write_text('{"symbols": {"M&M": {}}}')
    result = command("ingest", "--source", f"csv:{bars}", *fleet, cwd=tmp_path)
    assert result.returncode == 2
    assert "coverage.json" in result.stderr and "remove it, then ingest" in result.stderr
    assert not parquets(tmp_path)
    result = command("run", "--source", "csv:gone", "--skip-fetch", *SPAN, *fleet, cwd=tmp_path)
    assert result.returncode == 2
    assert "remove it, then ingest" in result.stderr


def test_a_vendor_that_slips_another_symbols_bars_in_spoils_nothing(fleet: SharedFleet, tmp_path: Path) -> None:
    """Rejected duplicates keep the stored bars of both, so the next increment is added to good bars."""
    bars = write_bars(tmp_path / "bars", ("ONE", "TWO"))
    one, two = (bars / name / "1day" / "bars.csv" for name in ("ONE", "TWO"))
    whole = one.read_text()
    good = whole.splitlines()
    one.write_text("\n".join(good[:-3]) + "\n")
    assert command("ingest", "--source", f"csv:{bars}", *fleet, cwd=tmp_path).returncode == 0
    before = parquets(tmp_path)
    one.write_text(two.read_text())
    assert command("ingest", "--source", f"csv:{bars}", "--incremental", *fleet, cwd=tmp_path).returncode == 3
    assert set(table_in(tmp_path).rejected) == {"ONE", "TWO"}
    assert parquets(tmp_path) == before
    one.write_text("\n".join([good[0], *good[-3:]]) + "\n")
    assert command("ingest", "--source", f"csv:{bars}", "--incremental", *fleet, cwd=tmp_path).returncode == 0
    (tmp_path / "fresh").mkdir()
    fleet.serve(tmp_path / "fresh" / "data")
    one.write_text(whole)
    assert command("ingest", "--source", f"csv:{bars}", *fleet, cwd=tmp_path / "fresh").returncode == 0
    assert parquets(tmp_path) == parquets(tmp_path / "fresh")
