"""Days that most symbols share are the exchange's, and are named once."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from orchestrator.bars.common_days import by_most
from schemas.contract.coverage import Gap, OddDays
from schemas.contract.quality import Check, Finding, Verdict
from tests.known import coverage_of
from tests.strategies import walk_on
from tests.workers.bars.walks import daily
from workers.bars.calendar import NSE_SPECIAL_SESSIONS, day_number, day_of, open_calendar
from workers.bars.series import Series
from workers.bars.session_coverage import odd_days

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(30)]
HOLE, SUNDAY, IDLE = date(2024, 1, 10), date(2024, 1, 14), date(2024, 1, 17)
MISSING = Finding(check=Check.MISSING_SESSION, verdict=Verdict.WARN, count=1, where=f"{HOLE}", detail="no bar")
GAP = Gap(first=HOLE, last=HOLE, sessions=1)
EXTRA = Finding(check=Check.UNEXPECTED_SESSION, verdict=Verdict.WARN, count=1, where=f"{SUNDAY}", detail="no session")


def test_one_missing_session_of_all_symbols_is_one_note() -> None:
    """The calendar is wrong, not 36 symbols: they are ok, have no hole, and fewer sessions are expected."""
    facts: dict[str, Any] = {"findings": (MISSING,), "verdict": "warn", "sessions_expected": 31, "gaps": (GAP,)}
    stored = {name: coverage_of(name, DAYS, **facts) for name in "ABC"}
    changed, (note,) = by_most("NSE", stored, {name: OddDays(missing=(HOLE,)) for name in stored})
    found = {(row.verdict, row.findings, row.sessions_expected, row.gaps) for row in changed.values()}
    assert found == {(Verdict.OK, (), 30, ())}
    assert (note.check, note.verdict, note.where) == (Check.MISSING_SESSION, Verdict.OK, f"{HOLE}")


def test_a_day_of_one_symbol_stays_its_own_warning() -> None:
    """One of three symbols lacks a session; and a single symbol is no majority."""
    stored = {name: coverage_of(name, DAYS, findings=(MISSING,), verdict="warn", gaps=(GAP,)) for name in "ABC"}
    days = {"A": OddDays(missing=(HOLE,)), "B": OddDays(missing=(SUNDAY,)), "C": OddDays()}
    changed, notes = by_most("NSE", stored, days)
    assert notes == () and changed["A"].verdict is changed["B"].verdict is Verdict.WARN
    assert changed["A"].gaps == (GAP,)
    alone = {"A": stored["A"]}
    assert by_most("NSE", alone, {"A": OddDays(missing=(HOLE,))}) == (alone, ())


def test_a_day_that_most_symbols_traded_is_a_session_and_a_day_without_trades_is_a_phantom() -> None:
    """Both are named once; the phantom is a warning."""
    stored = {name: coverage_of(name, DAYS, findings=(EXTRA,), verdict="warn", sessions_expected=30) for name in "ABC"}
    odd = OddDays(unexpected=(SUNDAY,), idle=(IDLE,))
    changed, notes = by_most("NSE", stored, {"A": odd, "B": odd, "C": OddDays()})
    assert [(note.check, note.verdict) for note in notes] == [
        (Check.UNEXPECTED_SESSION, Verdict.OK),
        (Check.PHANTOM_BAR, Verdict.WARN),
    ]
    assert changed["A"].findings == () and changed["A"].sessions_expected == 31


def test_odd_days_are_found_in_the_bars() -> None:
    """A removed session, a bar on a holiday, and a bar of the close before without volume."""
    series = daily(date(2024, 1, 1), date(2024, 2, 28))
    at = int(np.flatnonzero(series.session == day_number(IDLE))[0])
    prices = {name: getattr(series, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, values in prices.items():
        values[at] = 0 if name == "volume" else series.close[at - 1]
    kept = np.flatnonzero(series.session != day_number(HOLE))
    idle = replace(series, **prices)
    holed = Series(**{name: values[kept] for name, values in vars(idle).items()})
    moved = np.where(holed.session == day_number(date(2024, 1, 12)), day_number(SUNDAY), holed.session)
    found = odd_days(replace(holed, session=moved), open_calendar("NSE"))
    assert found == OddDays(missing=(HOLE, date(2024, 1, 12)), unexpected=(SUNDAY,), idle=(IDLE,))


def test_the_special_session_of_2026_is_known() -> None:
    """NSE traded on Sunday 2026-11-08."""
    assert date(2026, 11, 8) in NSE_SPECIAL_SESSIONS
    assert day_number(date(2026, 11, 8)) in open_calendar("NSE").days


def test_days_beyond_the_calendar_count_as_sessions_only_if_they_are_few() -> None:
    """Every weekend of bars at 24/7 is traded by all symbols: the calendar is another one, and the warnings stay."""
    year = [date(2023, 1, 1) + timedelta(days=n) for n in range(365)]
    weekends = tuple(day for day in year if day.weekday() > 4)
    finding = EXTRA.model_copy(update={"count": len(weekends)})
    stored = {name: coverage_of(name, year, findings=(finding,), verdict="warn") for name in ("BTC", "ETH")}
    assert by_most("NSE", stored, {name: OddDays(unexpected=weekends) for name in stored}) == (stored, ())


def test_another_exchange_with_the_same_weekdays_keeps_its_warnings() -> None:
    """Bars of New York against NSE: a year holds about ten of NSE's holidays, too many to be special sessions."""
    first, last = date(2023, 1, 2), date(2023, 12, 29)
    theirs = open_calendar("XNYS").sessions(first, last)
    other = walk_on(theirs, seed=1)
    found = odd_days(other, open_calendar("NSE"))
    assert len(found.unexpected) > 5 and len(found.missing) > 3
    finding = EXTRA.model_copy(update={"count": len(found.unexpected)})
    stored = {name: coverage_of(name, list(map(day_of, theirs)), findings=(finding,), verdict="warn") for name in "AB"}
    changed, notes = by_most("NSE", stored, dict.fromkeys(stored, found))
    assert changed["A"].verdict is Verdict.WARN and changed["A"].findings == (finding,)
    assert [note.check for note in notes] == [Check.MISSING_SESSION]


def test_weekends_that_are_filled_with_the_close_before_keep_their_warning() -> None:
    """Also of one symbol: days without trades are no sessions of the exchange, and are not explained by most."""
    idle = OddDays(idle=(date(2024, 1, 13), SUNDAY))
    finding = EXTRA.model_copy(update={"count": 2})
    for names in (("A",), ("A", "B")):
        stored = {name: coverage_of(name, DAYS, findings=(finding,), verdict="warn") for name in names}
        changed, notes = by_most("NSE", stored, dict.fromkeys(names, idle))
        assert changed == stored and len(notes) == len(names) - 1
