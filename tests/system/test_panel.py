"""A run in panel scope by the user's commands: one student of all symbols, replayed, explained, deployed and asked."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.signal import lfilter

from schemas.contract.task import Role, Status
from schemas.files.layout import LABELS, RunLayout
from schemas.files.run_files import read_rows
from tests.conftest import command, finished_run

LEARNED, UNSEEN = ("A", "B", "C"), "NEW"
# The day on which B joins the universe.
JOINED = date(2022, 12, 1)
DAYS = [each for i in range(800) if (each := date(2022, 1, 3) + timedelta(days=i)).weekday() < 5]
SPAN = ("--start-date", "2022-08-01", "--end-date", "2023-10-01", "--window-days", "180", "--step-days", "180")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def reverting(tmp_path: Path) -> Path:
    """Bars of four symbols whose log prices revert, so that a student has something to learn."""
    for seed, symbol in enumerate((*LEARNED, UNSEEN)):
        rng = np.random.default_rng(seed)
        close = 100 * np.exp(lfilter([1.0], [1.0, -0.93], rng.normal(0, 0.03, len(DAYS))))
        opening = np.concatenate([[100.0], close[:-1]])
        high, low = np.maximum(opening, close) * 1.005, np.minimum(opening, close) * 0.995
        rows = zip(DAYS, opening, high, low, close, strict=True)
        lines = [f"{day},{o:.3f},{h:.3f},{lo:.3f},{c:.3f},1000" for day, o, h, lo, c in rows]
        path = tmp_path / "bars" / f"{symbol}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return tmp_path / "bars"


def printed(cwd: Path, *arguments: str, code: int = 0) -> str:
    """What `orchestrator ...` prints on both streams."""
    result = command(*arguments, cwd=cwd)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def predicted(cwd: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The object that `predict --json` prints."""
    found: dict[str, Any] = json.loads(printed(cwd, "predict", "--env", "staging", "--json", *arguments, code=code))
    return found


def test_a_panels_student_from_its_run_to_a_symbol_that_it_has_not_seen(
    cwd: Path, fleet: tuple[str, ...], reverting: Path
) -> None:
    """A student of three symbols serves each from its own base rate, and a fourth from theirs.

    They belong to a universe by date, whose rows alone are trained on, scored and predicted.
    """
    universe = cwd / "universe.csv"
    universe.write_text(f"symbol,from,to\nA,2022-01-01,\nB,{JOINED},\nC,2022-01-01,\n{UNSEEN},2022-01-01,\n")
    source = ("--source", f"csv:{reverting}", "--calendar", "none", "--timezone", "UTC")
    chosen = (
        "--symbols",
        ",".join(LEARNED),
        *SPAN,
        "--scope",
        "panel",
        "--threshold",
        "0",
        "--universe",
        "universe.csv",
    )
    run = finished_run(cwd, *source, *chosen, *fleet, "--run-id", "panel")
    layout = RunLayout.under(cwd / "data", "panel")
    rows = read_rows(layout, Role.STUDENT)
    assert {row.symbol for row in rows} == {"PANEL"} and {row.status for row in rows} == {Status.SUCCESS}
    assert run.summary["windows"]["student"]["planned"] == run.summary["windows"]["teacher"]["planned"] == len(rows)
    last = max(rows, key=lambda row: row.end)
    learned = pd.concat(pd.read_csv(layout.artifact(row.window_label, Role.TEACHER) / LABELS) for row in rows)
    days = pd.to_datetime(learned["timestamp"]).dt.date
    assert days[learned["symbol"] == "B"].min() >= JOINED > days[learned["symbol"] == "A"].min()
    assert "all as recorded" in printed(cwd, "verify", "panel")
    replayed = printed(cwd, "replay", "panel", last.window_label)
    assert "differs" not in replayed and "files are equal to the bit" in " ".join(replayed.split())
    of_one = " ".join(printed(cwd, "explain", "panel", last.window_label.replace("PANEL", "B")).split())
    assert "of 3 symbols together" in of_one and "its own part: factor" in of_one
    assert "teacher: " in of_one and of_one.count("of 3 symbols") == 3  # learned, known, together

    printed(cwd, "approve", "panel", "--by", "asha", "--override", "a demonstration")
    printed(cwd, "deploy", "panel", "--to", "staging")
    scored = pq.read_table(layout.artifact(last.window_label, Role.STUDENT) / "predictions.parquet").to_pylist()
    newest = {row["symbol"]: row for row in scored if row["session"] == scored[-1]["session"]}
    assert set(newest) == set(LEARNED) and len({row["student"] for row in newest.values()}) == len(LEARNED)
    printed(cwd, "ingest", *source, "--symbols", UNSEEN, "--start-date", "2022-01-01", "--end-date", "2024-03-01")
    day = str(scored[-1]["session"])
    found = predicted(cwd, "--as-of", day, "--symbols", ",".join((*LEARNED, UNSEEN)))
    by_symbol = {each["symbol"]: each for each in found["predictions"]}
    for symbol, row in newest.items():
        assert by_symbol[symbol]["probability"] == pytest.approx(row["student"], abs=1e-12)
        assert by_symbol[symbol]["trade_above"] == pytest.approx(row["trade_above"]) and not by_symbol[symbol]["unseen"]
    assert by_symbol[UNSEEN]["unseen"] and by_symbol[UNSEEN]["probability"] not in (0.0, 0.5, 1.0)
    shown = printed(cwd, "predict", "--env", "staging", "--as-of", day, "--symbols", f"A,{UNSEEN}")
    assert f"panel's base rate instead of its own: {UNSEEN}" in " ".join(shown.split())

    # What has left is not predicted; named, it is refused.
    universe.write_text(universe.read_text().replace("C,2022-01-01,", f"C,2022-01-01,{JOINED}"))
    assert {each["symbol"] for each in predicted(cwd, "--as-of", day)["predictions"]} == {"A", "B"}
    (refused,) = predicted(cwd, "--as-of", day, "--symbols", "A,C", code=3)["refused"]
    assert (refused["symbol"], refused["reason"]) == ("C", f"it does not belong to the universe on {day}")
    universe.write_text(universe.read_text().replace(f"C,2022-01-01,{JOINED}", "C,2022-01-01,"))

    # An approval that names symbols serves these alone: no other learned one, and none that was not seen.
    printed(cwd, "approve", "panel", "--by", "asha", "--override", "a demonstration", "--symbols", "A,B")
    printed(cwd, "deploy", "panel", "--to", "staging")
    found = predicted(cwd, "--as-of", day, "--symbols", f"A,C,{UNSEEN}", code=3)
    assert [each["symbol"] for each in found["predictions"]] == ["A"]
    assert {each["symbol"] for each in found["refused"]} == {"C", UNSEEN}
