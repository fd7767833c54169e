"""Jumps of prices between sessions: which are found, what is suggested, and which labels they take."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.quality import Check, Finding
from tests.strategies import examples, training_settings, walk_on
from tests.workers.bars.walks import daily
from workers.bars.calendar import day_number, open_calendar
from workers.bars.jumps import LARGE, USUAL, WITHIN, jumps, usual_split
from workers.bars.quality import check
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Series
from workers.learning.history import prepare


def halved(series: Series, row: int, factor: float = 0.5) -> Series:
    """The series with prices from `row` on times `factor`, as after an unadjusted split."""
    times = np.where(np.arange(len(series)) < row, 1.0, factor)
    return replace(series, **{name: getattr(series, name) * times for name in ("open", "high", "low", "close")})


def found(series: Series, calendar: str | None = "NSE") -> list[Finding]:
    clean = CleanBars(series, lambda row: f"bars.csv line {row + 2}", [])
    known = open_calendar(calendar) if calendar else None
    assessed = check(clean, symbol="TCS", interval="1day", calendar=known, actions=())
    return [finding for finding in assessed.findings if finding.check in (Check.OVERNIGHT_GAP, Check.REOPENING_GAP)]


@pytest.mark.parametrize(
    ("ratio", "line"),
    [
        (0.508, "split,2:1"), (0.6735, "split,3:2"), (0.7675, "split,4:3"), (0.2026, "split,5:1"),
        (0.1022, "split,10:1"), (0.0197, "split,50:1"), (10.1, "split,1:10"), (1.96, "split,1:2"), (0.81, "split,5:4"),
        (0.83, "split,6:5"), (0.605, None), (0.945, None), (0.56, None), (1.04, None), (0.003, None), (1e6, None),
    ],
)  # fmt: skip
def test_only_usual_splits_are_suggested(ratio: float, line: str | None) -> None:
    """The nearest usual split within 3 %; the ratios of demergers (0.605, 0.945) and crashes have none."""
    assert usual_split(ratio) == line


@given(st.sampled_from(USUAL), st.floats(-0.009, 0.009))
@examples(100)
def test_every_usual_split_is_found_and_suggested(split: tuple[int, int], move: float) -> None:
    """A bonus of 1:5 moves prices 17 %, less than a crash may, and is asked about as well."""
    new, old = split
    series = daily(date(2023, 1, 2), date(2023, 3, 31))
    ratio = old / new * (1 + move) * series.close[29] / series.open[30]
    assert jumps(halved(series, 30, float(ratio))).tolist() == [30]
    assert usual_split(old / new * (1 + move)) == f"split,{new}:{old}"


@given(st.floats(0.3, 3.0))
@examples(100)
def test_a_jump_is_large_or_near_a_small_bonus(ratio: float) -> None:
    """Nothing else is a jump, so ordinary nights take no label."""
    series = daily(date(2023, 1, 2), date(2023, 3, 31))
    moved = halved(series, 30, ratio * float(series.close[29] / series.open[30]))
    wanted = abs(ratio - 1) > LARGE or any(abs(ratio / f - 1) <= WITHIN for f in (3 / 4, 4 / 5, 5 / 6))
    assert jumps(moved).tolist() == ([30] if wanted else [])


@pytest.mark.parametrize("calendar", ["NSE", None])
def test_a_gap_over_missing_sessions_is_no_overnight_gap(calendar: str | None) -> None:
    """Half the price after two missing months is not explained by a split; the missing sessions are named instead."""
    series = daily(date(2023, 1, 2), date(2023, 6, 30))
    hole = (series.session < day_number(date(2023, 3, 1))) | (series.session > day_number(date(2023, 4, 30)))
    kept = Series(**{name: values[hole] for name, values in vars(series).items()})
    (finding,) = found(halved(kept, int(np.flatnonzero(np.diff(kept.session) > 20)[0]) + 1), calendar)
    assert finding.check is Check.REOPENING_GAP and not finding.actions
    assert "the last bar before is of 2023-02-28" in finding.detail and "split" not in finding.detail


def test_a_suggestion_is_a_line_of_its_own() -> None:
    """Programs read the suggested line; it is the one in the sentence."""
    (finding,) = found(halved(daily(date(2023, 1, 2), date(2023, 3, 31)), 30))
    assert finding.actions[0] in finding.detail and finding.actions[0].endswith("split,2:1")


def test_labels_over_a_jump_are_left_out_unless_kept() -> None:
    """Decisions on the five bars before the jump lose their label; all others keep theirs."""
    series = halved(walk_on(np.arange(400), 1), 200)
    rows = jumps(series).tolist()
    assert rows[0] == 200
    left_out = np.flatnonzero(~prepare(series, training_settings()).used)
    expected = sorted({t0 for row in rows for t0 in range(row - 5, row)})
    assert left_out.tolist() == [t0 for t0 in expected if t0 < 395]
    assert prepare(series, training_settings(keep_jumps=True)).used.all()
