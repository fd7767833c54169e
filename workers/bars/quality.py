"""Checks one symbol's bars and decides whether a model may use them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from schemas.config.interval import DAY_MINUTES, INTERVAL_MINUTES, Interval, is_intraday
from schemas.contract.coverage import Gap
from schemas.contract.quality import Check, Finding, Verdict
from workers.bars import session_coverage
from workers.bars.calendar import Calendar, day_of
from workers.bars.corporate_actions import Action
from workers.bars.jumps import NIGHT_DAYS, jumps, opening_ratio, usual_split
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Ints, Series

MICROSECONDS_PER_MINUTE = 60 * 10**6

# Timestamps may be off by seconds. Daily bars may have gaps of days; minutes of one session follow each other.
SHORTEST_STEP = 0.9
LONGEST_STEP, LONGEST_DAILY_STEP = 1.1, 5.0
# Adjusted prices were multiplied and rounded one by one.
ORDER_TOLERANCE = 1e-6
# A vendor has one error in thousands of bars; more of them mean that columns are mixed up.
DISORDERED_SHARE = 0.01
# An illiquid stock repeats a price for a few days or minutes, but not for a week or an hour.
LONG_RUN_DAYS, LONG_RUN_BARS = 5, 60
# Repeated bars make identical labels.
STALE_SHARE = 0.2
NAMED_DAYS = 6
# A symbol may return after years; then it has more than a few bars on either side.
STRAY_DAYS, STRAY_SHARE = 365, 0.01


@dataclass(frozen=True)
class Assessment:
    """Findings on one symbol's bars, and how they cover the calendar.

    `sessions_expected` is None if the calendar does not cover all their days."""

    findings: list[Finding]
    gaps: tuple[Gap, ...]
    sessions_expected: int | None


def check(
    clean: CleanBars, *, symbol: str, interval: Interval, calendar: Calendar | None, actions: Sequence[Action]
) -> Assessment:
    """Check bars that are clean and already adjusted for `actions`; no bars have no findings.

    Bars of another interval get that finding only, because all other checks depend on the interval.
    """
    series = clean.series
    spacing = _interval(clean, interval)
    if spacing or not len(series):
        return Assessment(spacing, (), None)
    strays = _stray_bars(clean)
    findings = strays + _ohlc_order(clean) + _stale_run(clean, interval) + _zero_volume(clean, interval)
    gaps: tuple[Gap, ...] = ()
    expected = None
    # The years up to a stray bar are not missing.
    if calendar is not None and not strays:
        if interval == "1week":
            findings += session_coverage.missing_weeks(series, calendar)
        else:
            missing, gaps, expected = session_coverage.missing_sessions(series, calendar)
            findings += missing + session_coverage.unexpected_sessions(series, calendar)
        if is_intraday(interval):
            findings += session_coverage.session_minutes(series, calendar, INTERVAL_MINUTES[interval])
            findings += session_coverage.outside_session(clean, calendar, INTERVAL_MINUTES[interval])
    findings += _jumps(series, symbol, actions, None if interval == "1week" else calendar)
    return Assessment(findings, gaps, expected)


def _interval(clean: CleanBars, interval: Interval) -> list[Finding]:
    """Compare the median step between bars, for intraday bars within a session, with the interval."""
    series = clean.series
    steps = np.diff(series.timestamp) / MICROSECONDS_PER_MINUTE
    wanted = INTERVAL_MINUTES[interval]
    rows = np.arange(len(steps))
    if wanted < DAY_MINUTES:
        within = np.flatnonzero(np.diff(series.session) == 0)
        rows = within if len(within) else rows
    if not len(rows):
        return []
    shortest = SHORTEST_STEP * wanted
    longest = (LONGEST_DAILY_STEP if wanted == DAY_MINUTES else LONGEST_STEP) * wanted
    middle = float(np.median(steps[rows]))
    if shortest <= middle <= longest:
        return []
    fits = (steps[rows] >= shortest) & (steps[rows] <= longest)
    other = [f" {name}" for name, minutes in INTERVAL_MINUTES.items() if minutes == round(middle) and name != interval]
    detail = f"bars are {middle:g} minutes apart, not {interval}; set --interval{''.join(other)} or correct the source"
    at = clean.locate(int(rows[np.argmin(fits)]) + 1)
    return [_finding(Check.INTERVAL, Verdict.REJECT, int(np.sum(~fits)), at, detail)]


def _stray_bars(clean: CleanBars) -> list[Finding]:
    """A few first or last bars that are years away from all others: their dates are wrong, or they are of another."""
    session = clean.series.session
    apart = np.flatnonzero(np.diff(session) > STRAY_DAYS) + 1
    most = max(1, int(STRAY_SHARE * len(session)))
    findings = []
    for row in apart:
        is_first, is_last = row <= most, len(session) - row <= most
        if is_first or is_last:
            at, other, where = (row - 1, row, "first") if is_first else (row, row - 1, "last")
            count = int(row if is_first else len(session) - row)
            bars = "the bar of" if count == 1 else f"{count} bars up to" if is_first else f"{count} bars from"
            detail = (
                f"{bars} {day_of(session[at])} {'is' if count == 1 else 'are'} the {where}, more than a year from the"
                f" next, of {day_of(session[other])}; correct the date or remove {'it' if count == 1 else 'them'}"
            )
            findings.append(_finding(Check.STRAY_BAR, Verdict.REJECT, count, clean.locate(int(at)), detail))
    return findings


def _ohlc_order(clean: CleanBars) -> list[Finding]:
    bars = clean.series
    # If the high is below the low, one of them is beyond the open.
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    wrong = np.flatnonzero((bars.high < top * (1 - ORDER_TOLERANCE)) | (bars.low > bottom * (1 + ORDER_TOLERANCE)))
    if not len(wrong):
        return []
    row = wrong[0]
    detail = (
        f"{_of(len(wrong), len(bars))} have a price above the high or below the low, the first with open"
        f" {bars.open[row]:.10g}, high {bars.high[row]:.10g}, low {bars.low[row]:.10g}, close {bars.close[row]:.10g};"
        f" check the order of the columns and correct the bars at the source"
    )
    verdict = _verdict(len(wrong) / len(bars) > DISORDERED_SHARE)
    return [_finding(Check.OHLC_ORDER, verdict, len(wrong), clean.locate(int(row)), detail)]


def _stale_run(clean: CleanBars, interval: Interval) -> list[Finding]:
    bars = clean.series
    same = np.ones(max(len(bars) - 1, 0), dtype=bool)
    for prices in (bars.open, bars.high, bars.low, bars.close):
        same &= prices[1:] == prices[:-1]
    least = _long_run(interval)
    starts, steps = _runs(same, least - 1)
    if not len(starts):
        return []
    stale = int(np.sum(steps + 1))
    longest = int(np.argmax(steps))
    detail = (
        f"{_of(stale, len(bars))} are in runs of {least} or more bars with the same prices, the longest run has"
        f" {steps[longest] + 1} bars from {_day(bars, starts[longest])}; fetch those days again or leave them out"
    )
    verdict = _verdict(stale / len(bars) > STALE_SHARE)
    return [_finding(Check.STALE_RUN, verdict, stale, clean.locate(int(starts[0])), detail)]


def _zero_volume(clean: CleanBars, interval: Interval) -> list[Finding]:
    bars = clean.series
    least = _long_run(interval)
    starts, lengths = _runs(bars.volume == 0, least)
    if not len(starts):
        return []
    idle = int(np.sum(lengths))
    longest = int(np.argmax(lengths))
    if idle == len(bars):
        detail = f"all {idle:,} bars have volume 0, which is usual for an index only; otherwise check the volume column"
    else:
        detail = (
            f"{_of(idle, len(bars))} are in runs of {least} or more bars with volume 0, the longest run has"
            f" {lengths[longest]} bars from {_day(bars, starts[longest])}; check whether it was traded on those days"
        )
    return [_finding(Check.ZERO_VOLUME, Verdict.WARN, idle, clean.locate(int(starts[0])), detail)]


def _jumps(series: Series, symbol: str, actions: Sequence[Action], calendar: Calendar | None) -> list[Finding]:
    """Sessions that open far from the previous close; adjusted splits leave no such jump.

    Jumps of a night and jumps over missing sessions are two findings: the second kind is no overnight move.
    """
    rows = jumps(series)
    absent = np.array([_sessions_between(series, int(row), calendar) for row in rows], dtype=np.int64)
    return [
        *_jump_finding(Check.OVERNIGHT_GAP, series, rows[absent == 0], partial(_gap_line, series, symbol, actions)),
        *_jump_finding(Check.REOPENING_GAP, series, rows[absent > 0], partial(_reopening_line, series)),
    ]


def _jump_finding(
    check: Check, series: Series, rows: Ints, line: Callable[[int], tuple[str, str | None]]
) -> list[Finding]:
    """`line` returns the sentence of a jump and the line of a corporate action that would fit."""
    if not len(rows):
        return []
    lines = [line(int(row)) for row in rows]
    named = [sentence for sentence, _ in lines[:NAMED_DAYS]]
    more = [f"and {len(rows) - NAMED_DAYS} more"] if len(rows) > NAMED_DAYS else []
    return [
        Finding(
            check=check, verdict=Verdict.WARN, count=len(rows), where=_day(series, rows[0]),
            detail="; ".join(named + more), actions=tuple(action for _, action in lines if action),
        )
    ]  # fmt: skip


def _sessions_between(series: Series, row: int, calendar: Calendar | None) -> int:
    """Missing sessions before a session's first bar; without a calendar, days beyond eleven."""
    before, day = int(series.session[row - 1]), int(series.session[row])
    if calendar is None or not calendar.knows(day_of(before), day_of(day)):
        return max(day - before - NIGHT_DAYS, 0)
    return len(calendar.sessions(day_of(before + 1), day_of(day - 1)))


def _gap_line(series: Series, symbol: str, actions: Sequence[Action], row: int) -> tuple[str, str | None]:
    """`2024-06-21 opens at 318 after 626.25 (factor 0.508: ...)`; the brackets end with the next step."""
    day, before = day_of(series.session[row]), day_of(series.session[row - 1])
    ratio = opening_ratio(series, row)
    recorded = [str(action) for action in actions if before < action.ex_date <= day]
    split, action = usual_split(ratio), None
    if recorded:
        hint = f"{' and '.join(recorded)} in --corporate-actions does not explain it, correct that line"
    elif split:
        action = f"{symbol},{day},{split}"
        hint = f'if it is a split or bonus (not a demerger), add "{action}" to --corporate-actions FILE'
    else:
        hint = "no usual split or bonus, perhaps a demerger or a crash; compare with another source"
    return _opening(series, row, hint), action


def _reopening_line(series: Series, row: int) -> tuple[str, None]:
    before = day_of(series.session[row - 1])
    return _opening(series, row, f"the last bar before is of {before}; fetch the sessions between"), None


def _opening(series: Series, row: int, hint: str) -> str:
    day, ratio = day_of(series.session[row]), opening_ratio(series, row)
    return f"{day} opens at {series.open[row]:.10g} after {series.close[row - 1]:.10g} (factor {ratio:.3g}: {hint})"


def _runs(flags: NDArray[np.bool_], least: int) -> tuple[Ints, Ints]:
    """First positions and lengths of runs of at least `least` true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    return starts[lengths >= least], lengths[lengths >= least]


def _long_run(interval: Interval) -> int:
    return LONG_RUN_BARS if is_intraday(interval) else LONG_RUN_DAYS


def _of(part: int, bars: int) -> str:
    return f"{part:,} of {bars:,} bars ({part / bars:.2%})"


def _day(series: Series, row: int) -> str:
    return str(day_of(series.session[row]))


def _verdict(rejected: bool) -> Verdict:
    return Verdict.REJECT if rejected else Verdict.WARN


def _finding(check: Check, verdict: Verdict, count: int, where: str, detail: str) -> Finding:
    return Finding(check=check, verdict=verdict, count=count, where=where, detail=detail)
