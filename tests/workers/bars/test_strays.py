"""Bars at impossible times: before 1900, and years away from all others."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.run import RunConfig
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.task import Role
from schemas.contract.window import Window
from schemas.files.layout import RunLayout
from tests.conftest import command, write_bars
from tests.strategies import examples
from tests.workers.bars.walks import daily
from workers.bars.calendar import day_number, open_calendar
from workers.bars.clean import clean
from workers.bars.quality import check
from workers.bars.raw_bars import CleanBars, RawBars
from workers.bars.series import COLUMNS, Series

WHOLE = daily(date(2023, 1, 2), date(2023, 12, 29))


def strays(series: Series) -> list[Finding]:
    bars = CleanBars(series, lambda row: f"bars.csv line {row + 2}", [])
    found = check(bars, symbol="TCS", interval="1day", calendar=None, actions=()).findings
    return [finding for finding in found if finding.check is Check.STRAY_BAR]


@pytest.mark.parametrize(("row", "day", "word"), [(0, date(1995, 1, 2), "first"), (-1, date(2031, 1, 2), "last")])
def test_a_stray_first_or_last_bar_is_named_with_its_line(row: int, day: date, word: str) -> None:
    """The symbol is rejected with the file's line, the day, and the day of the nearest other bar."""
    session = WHOLE.session.copy()
    session[row] = day_number(day)
    (finding,) = strays(replace(WHOLE, session=session))
    line = 2 if row == 0 else len(session) + 1
    assert (finding.verdict, finding.where) == (Verdict.REJECT, f"bars.csv line {line}")
    assert f"the bar of {day} is the {word}" in finding.detail


def test_years_up_to_a_stray_bar_are_not_missing_sessions() -> None:
    """The wrong date is the only finding: thousands of missing sessions are a consequence."""
    session = WHOLE.session.copy()
    session[0] = day_number(date(2015, 1, 2))
    bars = CleanBars(replace(WHOLE, session=session), lambda row: f"bars.csv line {row + 2}", [])
    found = check(bars, symbol="TCS", interval="1day", calendar=open_calendar("NSE"), actions=())
    assert Check.MISSING_SESSION not in [finding.check for finding in found.findings]
    assert (found.gaps, found.sessions_expected) == ((), None)


@given(st.integers(10, 200), st.integers(400, 3000))
@examples(50)
def test_a_symbol_that_returns_after_years_is_no_stray(bars: int, days: int) -> None:
    """More than 1 % of the bars on either side of the absence are a listing, not an error."""
    assert strays(replace(WHOLE, session=WHOLE.session + np.where(np.arange(len(WHOLE)) < bars, 0, days))) == []


def test_years_before_1900_are_rejected() -> None:
    """The year 24 is 2024 cut short; the row is named."""
    times = np.array(["0024-01-05", "1899-12-31", "2024-01-05"], dtype="M8[us]").astype(np.int64)
    values = {name: np.full(3, 10.0) for name in COLUMNS}
    cleaned = clean(RawBars(times, values, lambda row: f"bars.csv line {row + 2}"), "UTC")
    assert len(cleaned.series) == 1
    old = [finding for finding in cleaned.findings if finding.check is Check.BAD_CELL]
    assert {finding.verdict for finding in old} == {Verdict.REJECT}
    assert "bars.csv line 2" in old[0].where and "year 0024, before 1900" in old[0].detail


def test_a_symbol_named_panel_is_a_symbol_like_any_other(tmp_path: Path) -> None:
    """With scope panel the panel's windows have teachers alone and symbols' windows students alone."""
    folder = write_bars(tmp_path / "bars", ("PANEL", "TCS"))
    dates = ("--start-date", "2024-01-01", "--end-date", "2024-06-30", "--devices", "cpu:1x1")
    planned = command("plan", "--source", f"csv:{folder}", *dates, "--scope", "panel", cwd=tmp_path)
    assert planned.returncode == 0 and "PANEL" in planned.stdout
    window = Window(symbol="PANEL", start=date(2022, 1, 1), end=date(2022, 6, 30), score_end=date(2022, 9, 1))
    named = RunConfig(source="csv:x", scope="panel", symbols=("PANEL",), start_date=window.start, end_date=window.end)
    assert named.symbols == ("PANEL",)
    layout = RunLayout.under(tmp_path, "r")
    assert layout.artifact(window.in_scope("panel").label, Role.TEACHER) != layout.artifact(window.label, Role.STUDENT)
