"""Checks of bars: each finds the planted fault at its place, and nothing else."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.interval import Interval
from schemas.contract.quality import Check, Verdict
from tests.strategies import daily_walk, examples
from tests.workers.bars.walks import PRICES, assess, daily, keep, minutely, only, scaled
from workers.bars.calendar import day_number, day_of, open_calendar
from workers.bars.corporate_actions import Action, adjusted, read_actions
from workers.bars.series import Series

# Symbol, ex-date, old shares divided by new ones, and the line that the finding should suggest.
REAL_GAPS = [
    ("IOC", date(2022, 6, 30), 2 / 3, "split,3:2"),
    ("TATASTEEL", date(2022, 7, 28), 1 / 10, "split,10:1"),
    ("BPCL", date(2024, 6, 21), 1 / 2, "split,2:1"),
    ("DRREDDY", date(2024, 10, 28), 1 / 5, "split,5:1"),
    ("RELIANCE", date(2024, 10, 28), 1 / 2, "split,2:1"),
    ("WIPRO", date(2024, 12, 3), 1 / 2, "split,2:1"),
]
SPAN = date(2022, 1, 3), date(2024, 12, 31)


def split_on(series: Series, day: date, factor: float) -> Series:
    """`series` as an exchange would have printed it with a split of that factor on `day`."""
    return scaled(series, np.where(series.session < day_number(day), 1 / factor, 1.0))


def repeated(series: Series, first: int, last: int) -> Series:
    """`series` whose bars from `first` to before `last` all have the prices of the first."""
    values = {name: getattr(series, name).copy() for name in PRICES}
    for prices in values.values():
        prices[first:last] = prices[first]
    return replace(series, **values)


def idle(series: Series, first: int, last: int) -> Series:
    """`series` with volume 0 from `first` to before `last`."""
    volume = series.volume.copy()
    volume[first:last] = 0.0
    return replace(series, volume=volume)


@given(st.integers(0, 2**16))
@examples(20)
def test_sound_daily_bars_have_no_findings(seed: int) -> None:
    """A random walk over every session of the calendar has no findings, and all sessions."""
    series = daily(*SPAN, seed=seed)
    found = assess(series, calendar=open_calendar("NSE"))
    assert (found.findings, found.gaps, found.sessions_expected) == ([], (), len(series))


@pytest.mark.parametrize(("interval", "minutes"), [("1minute", 1), ("5minute", 5), ("30minute", 30)])
@pytest.mark.parametrize("name", ["NSE", "XNYS", "24/7"])
def test_sound_intraday_bars_have_no_findings(name: str, interval: Interval, minutes: int) -> None:
    """Full sessions, half days and days that never close are complete at every interval; the last bar may be short."""
    series = minutely(date(2024, 11, 18), date(2024, 12, 6), minutes=minutes, name=name)
    assert assess(series, interval, open_calendar(name)).findings == []


def test_no_bars_have_no_findings() -> None:
    """An empty series is rejected by its reader, not here."""
    nothing = keep(daily_walk(1), slice(0, 0))
    assert assess(nothing, calendar=open_calendar("NSE")) == type(assess(nothing))([], (), None)
    assert assess(daily_walk(1), calendar=open_calendar("NSE")).findings == []


# --- INTERVAL


@pytest.mark.parametrize(
    ("minutes", "asked", "expected"),
    [(5, "1minute", "5 minutes apart, not 1minute; set --interval 5minute"), (1, "1day", "set --interval 1minute")],
)
def test_another_interval_is_rejected_and_named(minutes: int, asked: Interval, expected: str) -> None:
    """Bars of another interval get only that finding, with the flag that fits them."""
    series = minutely(date(2024, 1, 1), date(2024, 1, 10), minutes=minutes)
    finding = only(assess(series, asked, open_calendar("NSE")).findings, Check.INTERVAL)
    assert (finding.verdict, finding.where) == (Verdict.REJECT, "bars.csv line 3")
    assert expected in finding.detail


def test_daily_bars_are_no_minutes() -> None:
    """If no session has two bars, the steps between sessions decide."""
    finding = only(assess(daily_walk(50), "5minute").findings, Check.INTERVAL)
    assert "1440 minutes apart, not 5minute; set --interval 1day" in finding.detail


def test_nights_do_not_count_as_steps() -> None:
    """Bars half an hour apart are half-hour bars, though most steps between them are nights."""
    series = minutely(date(2024, 1, 1), date(2024, 3, 1), minutes=30)
    first = np.flatnonzero(np.append(True, np.diff(series.session) != 0))
    assert assess(keep(series, np.union1d(first, first[::3] + 1)), "30minute").findings == []


# --- OHLC_ORDER


@pytest.mark.parametrize(
    ("name", "factor", "found"),
    [("high", 0.8, True), ("low", 1.2, True), ("high", 1 - 1e-9, False), ("low", 1 + 1e-9, False)],
)
def test_prices_beyond_high_or_low_are_found(name: str, factor: float, found: bool) -> None:
    """A high below or a low above another price is named with line and values; rounding errors are not."""
    series = daily_walk(400)
    extreme = np.maximum if name == "high" else np.minimum
    values = getattr(series, name).copy()
    values[7] = extreme(series.open[7], series.close[7]) * factor
    findings = assess(replace(series, **{name: values})).findings
    if not found:
        assert findings == []
        return
    finding = only(findings, Check.OHLC_ORDER)
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, 1, "bars.csv line 9")
    assert f"{name} {values[7]:.10g}" in finding.detail and "1 of 400 bars" in finding.detail


@pytest.mark.parametrize("name", ["high", "low"])
@pytest.mark.parametrize("rising", [True, False])
def test_high_and_low_are_held_against_open_and_close(name: str, rising: bool) -> None:
    """A high or low between open and close is beyond one of them, whichever way the bar went."""
    series = daily_walk(400)
    row = int(np.flatnonzero((series.close > series.open) == rising)[3])
    values = getattr(series, name).copy()
    values[row] = (series.open[row] + series.close[row]) / 2
    finding = only(assess(replace(series, **{name: values})).findings, Check.OHLC_ORDER)
    assert (finding.count, finding.where) == (1, f"bars.csv line {row + 2}")


def test_a_high_below_the_low_is_found() -> None:
    """A swapped high and low are found for any other prices."""
    series = daily_walk(400)
    finding = only(assess(replace(series, high=series.low, low=series.high)).findings, Check.OHLC_ORDER)
    assert (finding.verdict, finding.count) == (Verdict.REJECT, 400)


@pytest.mark.parametrize(("wrong", "verdict"), [(4, Verdict.WARN), (5, Verdict.REJECT)])
def test_one_percent_of_disorder_is_the_limit(wrong: int, verdict: Verdict) -> None:
    """Up to 1 % of bars may be a vendor's errors; more mean mixed-up columns."""
    series = daily_walk(400)
    high = series.high.copy()
    high[:wrong] *= 0.5
    assert only(assess(replace(series, high=high)).findings, Check.OHLC_ORDER).verdict is verdict


# --- STALE_RUN, ZERO_VOLUME


@pytest.mark.parametrize(("length", "found"), [(4, False), (5, True)])
def test_five_equal_days_are_stale(length: int, found: bool) -> None:
    """Five days in a row with the same four prices are one run; four are not."""
    findings = assess(repeated(daily_walk(400), 30, 30 + length)).findings
    assert [finding.check for finding in findings] == [Check.STALE_RUN] * found
    if found:
        assert (findings[0].verdict, findings[0].count, findings[0].where) == (Verdict.WARN, 5, "bars.csv line 32")


@pytest.mark.parametrize(("length", "found"), [(59, False), (60, True)])
def test_an_hour_of_equal_minutes_is_stale(length: int, found: bool) -> None:
    """Single minutes without a price change are common; sixty in a row are not."""
    series = minutely(date(2024, 1, 1), date(2024, 1, 5))
    findings = assess(repeated(series, 100, 100 + length), "1minute").findings
    assert [(finding.check, finding.count) for finding in findings] == [(Check.STALE_RUN, 60)] * found


def test_the_same_close_alone_is_not_stale() -> None:
    """All four prices must repeat."""
    series = repeated(daily_walk(400), 30, 40)
    high = series.high.copy()
    high[30:40] += np.arange(10)
    assert assess(replace(series, high=high)).findings == []


@pytest.mark.parametrize(("runs", "verdict"), [(16, Verdict.WARN), (17, Verdict.REJECT)])
def test_a_fifth_of_stale_bars_is_the_limit(runs: int, verdict: Verdict) -> None:
    """Runs add up: more than 20 % of bars in them are rejected, and the longest is described."""
    series = daily_walk(400)
    for run in range(runs):
        series = repeated(series, 10 * run, 10 * run + 5)
    finding = only(assess(series).findings, Check.STALE_RUN)
    assert (finding.verdict, finding.count, finding.where) == (verdict, 5 * runs, "bars.csv line 2")
    assert f"the longest run has 5 bars from {day_of(series.session[0])}" in finding.detail


@given(st.integers(0, 390), st.integers(1, 60))
@examples(40)
def test_runs_are_found_to_the_bar(first: int, length: int) -> None:
    """A run of volume or prices is counted exactly, wherever it begins, also at the edges."""
    last = min(first + length, 400)
    expected = last - first if last - first >= 5 else 0
    counts = {
        finding.check: finding.count
        for finding in assess(idle(repeated(daily_walk(400), first, last), first, last)).findings
        if finding.check is not Check.OVERNIGHT_GAP  # a long run ends in a jump
    }
    assert counts == ({Check.STALE_RUN: expected, Check.ZERO_VOLUME: expected} if expected else {})


def test_zero_volume_only_warns() -> None:
    """Days without volume are named; if all have none, the finding mentions an index."""
    some = only(assess(idle(daily_walk(400), 30, 200)).findings, Check.ZERO_VOLUME)
    assert (some.verdict, some.count, some.where) == (Verdict.WARN, 170, "bars.csv line 32")
    every = only(assess(idle(daily_walk(400), 0, 400)).findings, Check.ZERO_VOLUME)
    assert (every.verdict, every.count) == (Verdict.WARN, 400)
    assert "usual for an index" in every.detail and "usual for an index" not in some.detail


# --- OVERNIGHT_GAP


@pytest.mark.parametrize(("symbol", "day", "factor", "line"), REAL_GAPS)
def test_a_split_is_found_and_explained(symbol: str, day: date, factor: float, line: str) -> None:
    """An unadjusted split is the only finding, on its day, with the line that removes it."""
    series = split_on(daily(*SPAN, seed=len(symbol)), day, factor)
    finding = only(assess(series, calendar=open_calendar("NSE"), symbol=symbol).findings, Check.OVERNIGHT_GAP)
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, 1, str(day))
    at = int(np.searchsorted(series.session, day_number(day)))
    assert f"{day} opens at {series.open[at]:.10g} after {series.close[at - 1]:.10g} (factor" in finding.detail
    assert f'add "{symbol},{day},{line}" to --corporate-actions FILE' in finding.detail


def test_pasting_what_was_suggested_leaves_no_gap(tmp_path: Path) -> None:
    """A file of the suggested lines removes every gap, also for intraday bars."""
    series = minutely(date(2024, 1, 1), date(2024, 1, 31), minutes=30)
    for day, factor in ((date(2024, 1, 10), 1 / 2), (date(2024, 1, 24), 2 / 3), (date(2024, 1, 25), 10.0)):
        series = split_on(series, day, factor)
    finding = only(assess(series, "30minute", symbol="M&M").findings, Check.OVERNIGHT_GAP)
    assert finding.count == 3
    lines = re.findall(r'add "([^"]+)"', finding.detail)
    (tmp_path / "actions.csv").write_text("\n".join(["symbol,ex_date,action,ratio", *lines]))
    actions = read_actions(tmp_path / "actions.csv")["M&M"]
    assert len(actions) == 3
    assert assess(adjusted(series, actions)[0], "30minute", actions=actions).findings == []


def test_a_record_that_does_not_fit_is_named() -> None:
    """If a gap remains after adjustment for an action of that day, the finding names the action."""
    day = date(2024, 6, 21)
    wrong = (Action(day, "split", 2, 1),)
    series, _ = adjusted(split_on(daily(*SPAN), day, 1 / 10), wrong)
    finding = only(assess(series, actions=wrong).findings, Check.OVERNIGHT_GAP)
    assert "split,2:1 in --corporate-actions does not explain it" in finding.detail and "add" not in finding.detail


def test_a_record_in_a_hole_counts_for_the_next_session() -> None:
    """An action between two sessions with bars applies to the gap between them."""
    day = date(2024, 6, 19)
    series = split_on(daily(*SPAN), day, 1 / 10)
    series = keep(series, (series.session < day_number(day)) | (series.session > day_number(date(2024, 6, 20))))
    actions = (Action(day, "split", 10, 1),)
    finding = only(assess(series, actions=actions).findings, Check.OVERNIGHT_GAP)
    assert "split,10:1 in --corporate-actions" in finding.detail
    assert assess(adjusted(series, actions)[0], actions=actions).findings == []


@pytest.mark.parametrize(("ratio", "found"), [(0.87, False), (0.78, True), (1.24, False), (0.7, True), (1.26, True)])
def test_a_quarter_is_the_limit_of_a_night(ratio: float, found: bool) -> None:
    """An overnight move of up to 25 % is not reported, unless a bonus of 1:3, 1:4 or 1:5 would explain it."""
    series = daily_walk(100)
    now = series.close[49] * ratio
    moved = scaled(series, np.where(np.arange(100) < 50, 1.0, now / series.open[50]))
    assert len(assess(moved).findings) == found


def test_a_jump_within_a_session_is_no_overnight_gap() -> None:
    """Only the first bar of a session is compared with the last one of the session before."""
    series = minutely(date(2024, 1, 1), date(2024, 1, 5))
    assert assess(scaled(series, np.where(np.arange(len(series)) < 500, 1.0, 0.5)), "1minute").findings == []


def test_many_gaps_are_counted_and_six_named() -> None:
    """A finding names six days and counts the rest; a day without a simple ratio gets other advice."""
    days = daily_walk(100)
    series = scaled(days, np.cumprod(np.where(np.arange(100) % 10 == 5, 1 / 33, 1.0), dtype=np.float64) * 1e15)
    finding = only(assess(series).findings, Check.OVERNIGHT_GAP)
    assert finding.count == 10 and finding.detail.endswith("; and 4 more")
    assert finding.detail.count(" opens at ") == 6
    assert "no usual split or bonus, perhaps a demerger or a crash; compare" in finding.detail


def test_all_findings_of_one_series_come_together() -> None:
    """All faults are reported, each once."""
    series = split_on(idle(repeated(daily(*SPAN), 30, 40), 50, 60), date(2024, 6, 21), 0.5)
    series = keep(series, np.arange(len(series)) != 100)
    assert [finding.check for finding in assess(series, calendar=open_calendar("NSE")).findings] == [
        Check.STALE_RUN,
        Check.ZERO_VOLUME,
        Check.MISSING_SESSION,
        Check.OVERNIGHT_GAP,
    ]
