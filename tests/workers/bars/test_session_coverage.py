"""Bars compared with the exchange's calendar: each gap and each unexpected bar is found, and no other."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.interval import Interval
from schemas.contract.coverage import Gap
from schemas.contract.quality import Check, Verdict
from tests.strategies import examples, walk_on
from tests.workers.bars.walks import MICROSECONDS_PER_MINUTE, assess, calm, daily, keep, minutely, only
from workers.bars.calendar import day_number, day_of, open_calendar
from workers.bars.files.local_time import local_days
from workers.bars.series import Ints

NSE = open_calendar("NSE")
SPAN = date(2024, 1, 1), date(2024, 6, 28)
MINUTES = minutely(date(2024, 1, 1), date(2024, 2, 29))


def numbers(*days: date) -> Ints:
    return np.array([day_number(day) for day in days], dtype=np.int64)


# --- MISSING_SESSION


def test_missing_sessions_are_grouped_by_the_calendar() -> None:
    """Consecutive sessions are one gap across weekends and holidays; special ones among them count as any other."""
    series = daily(*SPAN)
    lost = numbers(date(2024, 1, 20), date(2024, 1, 25), date(2024, 1, 29), date(2024, 3, 2))
    found = assess(keep(series, ~np.isin(series.session, lost)), calendar=NSE)
    assert found.gaps == (
        Gap(first=date(2024, 1, 20), last=date(2024, 1, 20), sessions=1),
        Gap(first=date(2024, 1, 25), last=date(2024, 1, 29), sessions=2),
        Gap(first=date(2024, 3, 2), last=date(2024, 3, 2), sessions=1),
    )
    assert found.sessions_expected == len(series)
    finding = only(found.findings, Check.MISSING_SESSION)
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, 4, "2024-01-20")
    assert "2024-01-20, 2024-01-25 to 2024-01-29, 2024-03-02;" in finding.detail


def test_special_sessions_alone_are_no_finding() -> None:
    """Vendors often leave out Muhurat and other special sessions: they are gaps, and no warning."""
    series = daily(*SPAN)
    lost = numbers(date(2024, 1, 20), date(2024, 3, 2))
    found = assess(keep(series, ~np.isin(series.session, lost)), calendar=NSE)
    assert found.findings == []
    assert [gap.first for gap in found.gaps] == [date(2024, 1, 20), date(2024, 3, 2)]


@given(st.sets(st.integers(1, 119), min_size=1, max_size=60))
@examples(40)
def test_gaps_are_exactly_what_is_missing(lost: set[int]) -> None:
    """Gaps are exactly the removed sessions, and more than a fifth of them is rejected."""
    sessions = daily(*SPAN).session[:121]
    series = keep(daily(*SPAN), np.flatnonzero(~np.isin(np.arange(121), list(lost))))
    found = assess(series, calendar=NSE)
    missing = [day for gap in found.gaps for day in NSE.sessions(gap.first, gap.last)]
    assert missing == [sessions[position] for position in sorted(lost)]
    assert all(gap.sessions == len(NSE.sessions(gap.first, gap.last)) for gap in found.gaps)
    if not np.isin(missing, NSE.regular.session).any():
        assert found.findings == []
        return
    finding = only(found.findings, Check.MISSING_SESSION)
    assert finding.count == len(lost)
    assert finding.verdict is (Verdict.REJECT if len(lost) / 121 > 0.2 else Verdict.WARN)


@pytest.mark.parametrize(("lost", "verdict"), [(20, Verdict.WARN), (21, Verdict.REJECT)])
def test_a_fifth_of_all_sessions_may_lack(lost: int, verdict: Verdict) -> None:
    """Up to twenty of a hundred sessions may be missing, with a warning."""
    hundred = keep(daily(*SPAN), slice(0, 100))
    series = keep(hundred, ~np.isin(np.arange(100), np.arange(1, lost + 1) * 4))
    assert only(assess(series, calendar=NSE).findings, Check.MISSING_SESSION).verdict is verdict


def test_without_a_calendar_no_session_is_expected() -> None:
    """Without a calendar no session is missing."""
    series = daily(*SPAN)
    found = assess(keep(series, np.arange(len(series)) % 2 == 0))
    assert (found.findings, found.gaps, found.sessions_expected) == ([], (), None)


@pytest.mark.parametrize("edge", ["first", "last"])
def test_days_that_the_calendar_does_not_know_are_left_alone(edge: str) -> None:
    """Days outside the calendar's range have no findings; days inside it do."""
    limit = day_number(NSE.first if edge == "first" else NSE.last)
    known = NSE.days[(NSE.days >= limit - 40) & (NSE.days <= limit + 40)]
    outer = np.arange(limit - 400, limit) if edge == "first" else np.arange(limit + 1, limit + 400)
    found = assess(walk_on(np.union1d(known, outer), 0), calendar=NSE)
    assert (found.findings, found.gaps, found.sessions_expected) == ([], (), None)
    lost = day_of(known[10])
    found = assess(walk_on(np.union1d(known[known != known[10]], outer), 0), calendar=NSE)
    assert found.gaps == (Gap(first=lost, last=lost, sessions=1),)


# --- UNEXPECTED_SESSION


def test_days_without_a_session_are_named() -> None:
    """Bars on holidays and weekends are named; those of special sessions are not."""
    extra = numbers(date(2024, 1, 26), date(2024, 3, 3))
    finding = only(
        assess(walk_on(np.union1d(daily(*SPAN).session, extra), 0), calendar=NSE).findings, Check.UNEXPECTED_SESSION
    )
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, 2, "2024-01-26")
    assert "2024-01-26, 2024-03-03;" in finding.detail


def test_another_exchange_is_seen_at_once() -> None:
    """Bars on every day, compared with weekdays: the first days are named, the rest counted."""
    every = np.arange(day_number(SPAN[0]), day_number(SPAN[1]) + 1)
    finding = only(assess(walk_on(every, 0), calendar=NSE).findings, Check.UNEXPECTED_SESSION)
    assert finding.count == len(every) - len(NSE.sessions(*SPAN))
    assert "2024-01-06, 2024-01-07, 2024-01-13 and" in finding.detail


# --- SESSION_MINUTES


@pytest.mark.parametrize(
    ("kept", "verdict"), [(0.96, None), (0.94, Verdict.WARN), (0.52, Verdict.WARN), (0.48, Verdict.REJECT)]
)
def test_the_share_of_missing_minutes_decides(kept: float, verdict: Verdict | None) -> None:
    """Below 95 % of a session's minutes on average is a warning, below half a rejection."""
    rows = np.arange(len(MINUTES)) % 100 < 100 * kept
    rows[: 375 * 2] = True
    rows[375:400] = False
    rows[400:700] = kept > 0.9
    findings = [
        finding
        for finding in assess(keep(MINUTES, rows), "1minute", NSE).findings
        if finding.check is not Check.MISSING_SESSION
    ]
    if verdict is None:
        assert findings == []
        return
    share = np.add.reduceat(rows, np.flatnonzero(np.append(True, np.diff(MINUTES.session) != 0))) / 375
    worst = day_of(np.unique(MINUTES.session)[np.argmin(share)])
    finding = only(findings, Check.SESSION_MINUTES)
    assert (finding.verdict, finding.where, finding.count) == (verdict, str(worst), np.sum(share < 0.95))
    assert f"{share.mean():.1%} of their 1-minute bars on average, {worst} the fewest with" in finding.detail


def test_minutes_are_counted_only_of_sessions_that_have_bars() -> None:
    """A missing session is one finding, not two."""
    series = keep(MINUTES, MINUTES.session % 3 != 0)
    assert [finding.check for finding in assess(series, "1minute", NSE).findings] == [Check.MISSING_SESSION]


def test_special_sessions_need_no_minutes() -> None:
    """An hour of bars in the evening of Muhurat is a session, complete and within its hours."""
    muhurat = date(2024, 11, 1)
    around = minutely(date(2024, 10, 30), date(2024, 11, 5))
    begin = int(NSE.regular.open[np.searchsorted(NSE.regular.session, day_number(date(2024, 10, 31)))])
    evening = begin + (24 * 60 + 9 * 60) * MICROSECONDS_PER_MINUTE + np.arange(60) * MICROSECONDS_PER_MINUTE
    stamps = np.union1d(around.timestamp, evening)
    session = np.where(np.isin(stamps, evening), day_number(muhurat), 0)
    session[~np.isin(stamps, evening)] = around.session
    series = replace(walk_on(session, 0), timestamp=stamps)
    found = assess(series, "1minute", NSE)
    assert (found.findings, found.sessions_expected) == ([], 5)


# --- OUTSIDE_SESSION


def shifted(minutes: int) -> list[Check]:
    """Findings if every timestamp is shifted by `minutes` minutes."""
    series = replace(MINUTES, timestamp=MINUTES.timestamp + minutes * MICROSECONDS_PER_MINUTE)
    return [
        finding.check
        for finding in assess(series, "1minute", NSE).findings
        if finding.check is not Check.MISSING_SESSION
    ]


def test_a_timestamp_is_the_start_of_a_bar() -> None:
    """With timestamps at the end of bars, the last bar of each session is at the close, which is outside its hours."""
    assert shifted(0) == []
    series = replace(MINUTES, timestamp=MINUTES.timestamp + MICROSECONDS_PER_MINUTE)
    found = [finding for finding in assess(series, "1minute", NSE).findings if finding.check is Check.OUTSIDE_SESSION]
    sessions = len(np.unique(MINUTES.session))
    assert [(each.verdict, each.count, each.where) for each in found] == [(Verdict.WARN, sessions, "bars.csv line 376")]
    assert shifted(-1) == [Check.OUTSIDE_SESSION]


def test_a_wrong_timezone_is_seen() -> None:
    """Timestamps shifted by hours give incomplete sessions and bars outside the hours."""
    assert shifted(330) == [Check.SESSION_MINUTES, Check.OUTSIDE_SESSION]


def test_a_session_that_opens_on_the_evening_before_is_complete() -> None:
    """A future's session opens on the evening before its day; such bars are inside its hours and count."""
    cme = open_calendar("CMES")
    series = minutely(date(2024, 3, 12), date(2024, 3, 15), minutes=30, name="CMES")
    local = (series.timestamp - 5 * 60 * MICROSECONDS_PER_MINUTE) // (24 * 60 * MICROSECONDS_PER_MINUTE)
    assert (local < series.session).any()
    assert assess(replace(series, session=local), "30minute", cme).findings == []


def test_sessions_without_a_single_bar_in_hours_count_as_empty() -> None:
    """If all bars are outside the hours of their days, the symbol is rejected."""
    series = replace(MINUTES, timestamp=MINUTES.timestamp - 390 * MICROSECONDS_PER_MINUTE)
    findings = {finding.check: finding for finding in assess(series, "1minute", NSE).findings}
    assert findings[Check.SESSION_MINUTES].verdict is Verdict.REJECT
    assert findings[Check.OUTSIDE_SESSION].count == len(MINUTES)


def test_daily_bars_have_no_minutes() -> None:
    """A daily bar's timestamp may have any time of day."""
    series = daily(*SPAN)
    late = replace(series, timestamp=series.timestamp + int(timedelta(hours=20).total_seconds()) * 10**6)
    assert assess(late, calendar=NSE).findings == []


# --- A market that never closes


@pytest.mark.parametrize(("interval", "minutes"), [("1day", 24 * 60), ("240minute", 240), ("60minute", 60)])
def test_bars_at_all_hours_against_an_exchange_are_told_apart(interval: Interval, minutes: int) -> None:
    """Bars of 24/7 with --calendar NSE are warned about on weekends and by night, and the calendar is named."""
    step = minutes * MICROSECONDS_PER_MINUTE
    begin = day_number(date(2023, 1, 1)) * 24 * 60 * MICROSECONDS_PER_MINUTE
    times = begin + step * np.arange(120 * 24 * 60 // minutes)
    days = local_days(times, "Asia/Kolkata")
    series = replace(calm(walk_on(days, 0), 0.05), timestamp=times)
    found = {each.check: each for each in assess(series, interval, NSE).findings}
    beyond = {Check.UNEXPECTED_SESSION} | ({Check.OUTSIDE_SESSION} if minutes < 24 * 60 else set())
    assert beyond <= found.keys()
    for check in beyond:
        assert found[check].verdict is Verdict.WARN and "give --calendar 24/7" in found[check].detail
    assert assess(series, interval, open_calendar("24/7")).findings == []
