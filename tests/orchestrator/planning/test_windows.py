"""Planning: windows tile time, skips are sound, and the numbers of a full-size plan are exact."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.planning.days import TradingDays, days_to_fetch
from orchestrator.planning.windows import MIN_WINDOW_DAYS, lay_windows, plan
from schemas.config.bars import IngestConfig
from schemas.config.interval import Interval
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable, Rejection
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.universe import Stay, Universe
from schemas.contract.window import WARMUP_BARS, PlannedWindow, SkipReason, Window
from tests.known import coverage_of as coverage
from tests.known import table_of
from tests.strategies import examples, walk_on
from workers.bars.calendar import day_number
from workers.learning.history import prepare, select_rows
from workers.learning.skip import Skip

ONE_DAY = timedelta(days=1)

dates = st.dates(date(2015, 1, 1), date(2026, 12, 31))


@st.composite
def requests(draw: st.DrawFn) -> tuple[date, date, int, int]:
    """(start, end, window_days, step_days) that a config allows."""
    start = draw(dates)
    end = start + timedelta(days=draw(st.integers(1, 1200)))
    return start, end, draw(st.integers(MIN_WINDOW_DAYS, 400)), draw(st.integers(1, 400))


def run_config(symbols: tuple[str, ...], start: date, end: date, **changes: Any) -> RunConfig:
    values = {"symbols": symbols, "start_date": start, "end_date": end, "source": "csv:bars"}
    return RunConfig.model_validate(values | changes)


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included."""
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def mondays_to_fridays(first: date, last: date) -> list[date]:
    return [day for day in days_between(first, last) if day.weekday() < 5]


def reasons(planned: Sequence[PlannedWindow]) -> dict[SkipReason | None, int]:
    """Number of windows per skip reason; None counts those to be trained."""
    counts: dict[SkipReason | None, int] = {}
    for each in planned:
        counts[each.skip] = counts.get(each.skip, 0) + 1
    return counts


@examples(150)
@given(request=requests())
def test_windows_are_laid_from_the_start_a_step_apart(request: tuple[date, date, int, int]) -> None:
    """Window i begins i steps after the start and ends its length later, or at the end date if that comes first."""
    start, end, window_days, step_days = request
    for i, window in enumerate(lay_windows("A", *request)):
        assert window.start == start + i * timedelta(days=step_days)
        assert window.end == min(window.start + timedelta(days=window_days), end)
        assert window.end - window.start >= timedelta(days=MIN_WINDOW_DAYS)


@examples(150)
@given(request=requests())
def test_only_the_last_window_is_cut(request: tuple[date, date, int, int]) -> None:
    """Every window but the last is full length, and another one after the last would be cut or too short."""
    start, end, window_days, step_days = request
    laid = lay_windows("A", *request)
    assert all((window.end - window.start).days == window_days for window in laid[:-1])
    if laid and laid[-1].end < end:
        left = end - (laid[-1].start + timedelta(days=step_days))
        assert left < timedelta(days=MIN_WINDOW_DAYS)
    if not laid:
        assert end - start < timedelta(days=MIN_WINDOW_DAYS)


@examples(100)
@given(request=requests())
def test_scored_blocks_never_overlap(request: tuple[date, date, int, int]) -> None:
    """Each window is scored from its own end, every day after the first window belongs to one block, none to two."""
    laid = lay_windows("A", *request)
    for window in laid:
        assert window.end < window.score_end
    for window, following in pairwise(laid):
        assert window.score_end == following.end


@examples(100)
@given(start=dates, days=st.integers(1, 1200), window_days=st.integers(MIN_WINDOW_DAYS, 400))
def test_windows_tile_where_the_step_is_their_length(start: date, days: int, window_days: int) -> None:
    """With a step of one length, half-open windows follow each other: every day from the start is in one of them."""
    end = start + timedelta(days=days)
    laid = lay_windows("A", start, end, window_days, window_days)
    for window, following in pairwise(laid):
        assert window.end == following.start
    covered = sum((window.end - window.start).days for window in laid)
    uncovered = days - covered
    assert 0 <= uncovered < MIN_WINDOW_DAYS
    if laid:
        assert laid[0].start == start
        assert laid[-1].end == end - timedelta(days=uncovered)


@examples(100)
@given(request=requests())
def test_labels_are_unique(request: tuple[date, date, int, int]) -> None:
    """No two windows of a run have the same label."""
    labels = [window.label for symbol in ("A", "A-1") for window in lay_windows(symbol, *request)]
    assert len(set(labels)) == len(labels)


@st.composite
def weekday_markets(draw: st.DrawFn) -> list[date]:
    """Sessions on weekdays of which any number may be holidays."""
    first = draw(dates)
    days = mondays_to_fridays(first, first + timedelta(days=draw(st.integers(7, 500))))
    closed = draw(st.sets(st.integers(1, max(len(days) - 2, 1)), max_size=60))
    return [day for i, day in enumerate(days) if i not in closed]


@st.composite
def everyday_markets(draw: st.DrawFn) -> list[date]:
    """Sessions on all seven days of the week."""
    first = draw(dates)
    return days_between(first, first + timedelta(days=draw(st.integers(7, 500))))


@st.composite
def odd_markets(draw: st.DrawFn) -> list[date]:
    """Sessions on any set of weekdays, with special ones on other days."""
    first = draw(dates)
    open_on = draw(st.sets(st.integers(0, 6), min_size=1))
    special = draw(st.sets(st.integers(0, 300), max_size=5))
    days = days_between(first, first + timedelta(days=draw(st.integers(14, 300))))
    return [day for i, day in enumerate(days) if day.weekday() in open_on or i in special]


@examples(200)
@given(
    sessions=st.one_of(weekday_markets(), everyday_markets(), odd_markets()),
    bars_per_session=st.sampled_from([1, 13, 75]),
    data=st.data(),
)
def test_no_span_holds_more_bars_than_the_bound(
    sessions: list[date], bars_per_session: int, data: st.DataObject
) -> None:
    """Whatever days a market opens on, a span of its history never holds more bars than `most_bars` returns."""
    trading = TradingDays(coverage("A", sessions, bars_per_session))
    reach = (sessions[-1] - sessions[0]).days
    start = sessions[0] + timedelta(days=data.draw(st.integers(0, reach), label="start"))
    stop = start + timedelta(days=data.draw(st.integers(-3, 200), label="length"))
    held = sum(start <= day < stop for day in sessions) * bars_per_session
    assert held <= trading.most_bars(start, stop)
    assert 0.0 < trading.density <= 1.0


def test_a_special_session_on_a_saturday_is_counted() -> None:
    """One Saturday among many weekdays counts as one more session, not as a market that is open six days per week."""
    weekdays = mondays_to_fridays(date(2023, 1, 2), date(2024, 3, 1))
    trading = TradingDays(coverage("A", [*weekdays, date(2024, 3, 2)]))
    assert trading.most_bars(date(2024, 2, 26), date(2024, 3, 3)) == 6
    assert trading.most_bars(date(2024, 2, 17), date(2024, 2, 19)) == 0


@examples(120)
@given(
    sessions=weekday_markets(),
    offset=st.integers(-60, 400),
    window_days=st.integers(30, 250),
    horizon=st.integers(1, 20),
)
def test_the_worker_skips_every_window_that_the_plan_rules_out(
    sessions: list[date], offset: int, window_days: int, horizon: int
) -> None:
    """A window that coverage alone rules out is one that the worker, which sees the bars, would skip as well."""
    start = sessions[0] + timedelta(days=offset)
    config = run_config(
        ("A",), start, start + timedelta(days=400), window_days=window_days, step_days=90, horizon=horizon, min_rows=20
    )
    numbers = np.array([day_number(day) for day in sessions], dtype=np.int64)
    history = prepare(walk_on(numbers, seed=0), config.training())
    for planned in plan(config, table_of(coverage("A", sessions))):
        if planned.skip:
            assert planned.expected_rows == 0
            with pytest.raises(Skip):
                select_rows(history, planned.window, config.training())


THIRTY_SIX = tuple(f"SYMBOL{i}" for i in range(36))
FULL_START, FULL_END = date(2022, 1, 1), date(2024, 12, 31)


def full_plan(last_bar: date, every_nth_day_off: int | None = 22) -> Sequence[PlannedWindow]:
    """36 symbols in 180-day windows over three years, with bars from October 2020 on."""
    sessions = [
        day
        for i, day in enumerate(mondays_to_fridays(date(2020, 10, 1), last_bar))
        if not every_nth_day_off or i % every_nth_day_off
    ]
    rows = [coverage(symbol, sessions, first=date(2020, 10, 1), last=last_bar) for symbol in THIRTY_SIX]
    return plan(run_config(THIRTY_SIX, FULL_START, FULL_END), table_of(*rows))


def test_three_years_of_36_symbols_are_252_windows() -> None:
    """The full-size request has 252 windows, 7 per symbol, the last one cut at the end date."""
    planned = full_plan(FULL_END)
    assert len(planned) == 252
    for symbol in THIRTY_SIX:
        own = [each.window for each in planned if each.window.symbol == symbol]
        assert len(own) == 7
        assert own[0].label == f"{symbol}_2022-01-01_to_2022-06-30"
        assert own[-1].label == f"{symbol}_2024-12-16_to_2024-12-31"


def test_bars_that_end_with_the_request_leave_216_windows_to_train() -> None:
    """With bars to the end date, each symbol's last window has nothing to be scored on: 216 trainable, 36 skipped."""
    planned = full_plan(FULL_END)
    assert reasons(planned) == {None: 216, SkipReason.INSUFFICIENT_FUTURE_DATA: 36}
    assert all(each.window.end == FULL_END for each in planned if each.skip)
    assert all(each.detail and not each.expected_rows for each in planned if each.skip)
    assert all(90 <= each.expected_rows <= 124 for each in planned if not each.skip)


def test_bars_beyond_the_request_are_future_enough() -> None:
    """With bars to the next March every window has a future; the last one, of two weeks, has too few rows."""
    planned = full_plan(date(2025, 3, 28))
    assert SkipReason.INSUFFICIENT_FUTURE_DATA not in reasons(planned)
    assert reasons(planned) == {None: 216, SkipReason.INSUFFICIENT_SAMPLES: 36}


@pytest.mark.parametrize("scope", ["symbol", "panel"])
def test_a_stub_costs_no_scored_day(scope: str) -> None:
    """With and without a stub of two weeks that is skipped, the windows before it are scored on the same days."""
    bars = mondays_to_fridays(date(2020, 10, 1), date(2025, 3, 28))
    known = table_of(*(coverage(symbol, bars) for symbol in "AB"))
    stubs, whole = (
        plan(run_config(("A", "B"), FULL_START, end, scope=scope), known) for end in (FULL_END, date(2024, 12, 16))
    )
    assert [each for each in stubs if each.skip is None] == whole
    assert whole[-1].window.score_end == date(2025, 6, 14)


def test_a_stub_that_is_trained_takes_over_the_scoring() -> None:
    """A cut window with enough rows is trained, and scored from its end on; the one before it up to there."""
    known = table_of(coverage("A", mondays_to_fridays(date(2020, 10, 1), date(2025, 3, 28))))
    before, cut = plan(run_config(("A",), FULL_START, date(2024, 10, 1)), known)[-2:]
    assert before.skip is None and cut.skip is None
    assert before.window.score_end == cut.window.end == date(2024, 10, 1)
    assert cut.window.score_end == date(2024, 10, 1) + timedelta(days=180)


def test_symbols_of_a_panel_keep_the_same_blocks() -> None:
    """A stub that one symbol of a panel can use ends the block before it for all; alone, each symbol has its own."""
    days = mondays_to_fridays(date(2020, 10, 1), date(2025, 3, 28))
    known = table_of(coverage("OFTEN", days), coverage("RARELY", [day for day in days if day.weekday() < 3]))
    ends = {}
    for scope in ("symbol", "panel"):
        planned = plan(run_config(("OFTEN", "RARELY"), FULL_START, date(2024, 10, 1), scope=scope), known)
        assert planned[-1].skip is SkipReason.INSUFFICIENT_SAMPLES
        ends[scope] = [planned[number].window.score_end for number in (4, 10)]
    assert ends == {
        "symbol": [date(2024, 10, 1), date(2024, 12, 16)],
        "panel": [date(2024, 10, 1), date(2024, 10, 1)],
    }


@examples(60)
@given(request=requests(), reach=st.integers(0, 900), scope=st.sampled_from(["symbol", "panel"]))
def test_trained_windows_of_a_plan_tile(request: tuple[date, date, int, int], reach: int, scope: str) -> None:
    """No day is scored by two trained windows; between two that follow each other no day is lost."""
    start, end, window_days, step_days = request
    sessions = mondays_to_fridays(start - timedelta(days=300), start + timedelta(days=reach))
    config = run_config(("A",), start, end, window_days=window_days, step_days=step_days, scope=scope)
    planned = plan(config, table_of(coverage("A", sessions)))
    assert [each.window.label for each in planned] == [each.label for each in lay_windows("A", *request)]
    for (i, one), (j, other) in pairwise([(i, each.window) for i, each in enumerate(planned) if each.skip is None]):
        assert one.score_end <= other.end and (j > i + 1 or one.score_end == other.end)
    trained = [each.window for each in planned if each.skip is None]
    if trained and all((each.end - each.start).days == window_days for each in trained):
        assert trained[-1].score_end == trained[-1].end + timedelta(days=step_days)


@examples(60)
@given(request=requests(), after=st.integers(1, 900), final=st.booleans())
def test_only_a_final_run_scores_days_that_are_held_out(
    request: tuple[date, date, int, int], after: int, final: bool
) -> None:
    """Before them each window scores the days that it scores without a hold-out; a final run has the whole plan."""
    start, end, window_days, step_days = request
    known = table_of(coverage("A", mondays_to_fridays(start - timedelta(days=300), end + timedelta(days=100))))
    held = start + timedelta(days=after)
    whole = run_config(("A",), start, end, window_days=window_days, step_days=step_days)
    cut = whole.model_copy(update={"holdout_from": held, "final": final})
    expected = [(each.window.label, each.window.score_end, each.skip) for each in plan(whole, known)]
    if not final:
        ends = [each.window.end for each in plan(whole, known)]
        both = zip(ends, expected, strict=True)
        expected = [(label, min(last, held), skip) for stop, (label, last, skip) in both if stop < held]
    assert [(each.window.label, each.window.score_end, each.skip) for each in plan(cut, known)] == expected


def test_plan_is_by_symbol_and_date() -> None:
    """Windows come in the order of the request's symbols and, within one, of time."""
    windows = [each.window for each in full_plan(FULL_END)]
    assert windows == sorted(windows, key=lambda w: (THIRTY_SIX.index(w.symbol), w.start))


def test_a_symbol_without_bars_has_no_data() -> None:
    """A symbol that coverage does not know, or whose bars are in other years, is planned and skipped as no_data."""
    config = run_config(("KNOWN", "UNKNOWN", "LATER"), FULL_START, FULL_END)
    known = coverage("KNOWN", mondays_to_fridays(date(2020, 10, 1), date(2025, 3, 28)))
    later = coverage("LATER", mondays_to_fridays(FULL_END, date(2025, 3, 28)))
    planned = plan(config, table_of(known, later))
    for symbol in ("UNKNOWN", "LATER"):
        assert reasons([each for each in planned if each.window.symbol == symbol]) == {SkipReason.NO_DATA: 7}
    assert "no bars are stored" in {each.detail for each in planned}


def test_a_young_symbol_waits_for_its_warmup() -> None:
    """Windows of a new symbol have too little history at first, and are trained once it has enough."""
    sessions = mondays_to_fridays(FULL_START, date(2025, 3, 28))
    planned = plan(run_config(("A",), FULL_START, FULL_END), table_of(coverage("A", sessions)))
    assert planned[0].skip is SkipReason.INSUFFICIENT_HISTORY
    assert [each.skip for each in planned[1:-1]] == [None] * 5


@pytest.mark.parametrize(("missing", "skip"), [(1, SkipReason.INSUFFICIENT_HISTORY), (0, None)])
def test_history_is_enough_from_warmup_horizon_and_rows(missing: int, skip: SkipReason | None) -> None:
    """A window's last bars must have the warm-up before them, then the rows it needs, then a horizon: no bar more."""
    config = run_config(("A",), date(2022, 1, 3), date(2022, 7, 4), window_days=182, step_days=182)
    needed = WARMUP_BARS + config.min_rows + config.horizon
    before = mondays_to_fridays(date(2020, 10, 1), config.end_date - ONE_DAY)[-needed + missing :]
    after = mondays_to_fridays(config.end_date, date(2022, 12, 30))
    (planned,) = plan(config, table_of(coverage("A", before + after)))
    assert planned.skip is skip


@pytest.mark.parametrize(("bars_after", "skip"), [(5, SkipReason.INSUFFICIENT_FUTURE_DATA), (6, None)])
def test_future_is_enough_from_horizon_and_one_bar(bars_after: int, skip: SkipReason | None) -> None:
    """A window needs its horizon of bars and one more after its end; with exactly those it is trained."""
    window = Window(symbol="A", start=date(2022, 1, 3), end=date(2022, 7, 4), score_end=date(2023, 1, 2))
    sessions = mondays_to_fridays(date(2020, 10, 1), window.end - ONE_DAY)
    after = mondays_to_fridays(window.end, window.end + timedelta(days=20))[:bars_after]
    config = run_config(("A",), window.start, window.end, window_days=182, step_days=182)
    (planned,) = plan(config, table_of(coverage("A", sessions + after)))
    assert planned.skip is skip


def test_a_rejected_symbol_is_planned_and_skipped() -> None:
    """Every window of a rejected symbol is skipped under the rejection's reason, with its sentence."""
    finding = Finding(
        check=Check.BAD_CELL, verdict=Verdict.REJECT, count=1, where="A.csv line 3", detail="close is 'x', not a number"
    )
    rejection = Rejection(
        symbol="A", interval="1day", source="csv:bars", fetched=datetime.now(UTC), reason=SkipReason.REJECTED_DATA,
        findings=(finding,),
    )  # fmt: skip
    planned = plan(run_config(("A",), FULL_START, FULL_END), CoverageTable(rejected={"A": rejection}))
    assert reasons(planned) == {SkipReason.REJECTED_DATA: 7}
    assert {each.detail for each in planned} == {
        "bad cell: A.csv line 3: close is 'x', not a number; correct or remove the row"
    }


@pytest.mark.parametrize(("interval", "days"), [("1day", 225), ("30minute", 34), ("1minute", 17)])
def test_a_vendor_is_asked_for_warmup_and_scores_too(interval: Interval, days: int) -> None:
    """Fetched bars include 150 bars before the first window, and end yesterday at the latest."""
    config = run_config(("A",), FULL_START, FULL_END, source="breeze", interval=interval)
    first, last = days_to_fetch(config, date(2025, 1, 10))
    assert first == FULL_START - timedelta(days=days)
    assert last == date(2025, 1, 9)
    after = {"1day": 7, "30minute": 2, "1minute": 2}[interval]
    assert days_to_fetch(config, date(2026, 1, 1))[1] == FULL_END + timedelta(days=config.step_days + after + 15)


def test_what_is_not_fetched_is_read_whole() -> None:
    """All bars of a folder are stored, whatever the dates of training."""
    assert days_to_fetch(run_config(("A",), FULL_START, FULL_END), date(2025, 1, 10)) == (None, None)


@given(start=dates, days=st.integers(7, 1200), step_days=st.integers(1, 400), horizon=st.integers(1, 500))
def test_an_ingestion_stores_all_that_windows_of_its_dates_need(
    start: date, days: int, step_days: int, horizon: int
) -> None:
    """150 sessions before the first window, and after the last scored day the horizon of its label."""
    end = start + timedelta(days=days)
    config = IngestConfig(source="csv:bars", start_date=start, end_date=end, step_days=step_days, horizon=horizon)
    first, last = days_to_fetch(config, date(2025, 1, 10))
    assert first is not None and last is not None
    assert len(mondays_to_fridays(first, start - ONE_DAY)) >= WARMUP_BARS
    (*_, window) = lay_windows("A", start, end, 180, step_days)
    assert len(mondays_to_fridays(window.score_end, last)) >= horizon


def test_an_ingestion_without_dates_or_with_increments_goes_to_the_newest_bar() -> None:
    """The end date of a config that also serves `run` does not stop the nightly increment; a first day still holds."""
    today = date(2025, 1, 10)
    assert days_to_fetch(IngestConfig(source="csv:bars"), today) == (None, None)
    dates = {"start_date": FULL_START, "end_date": FULL_END, "incremental": True}
    assert days_to_fetch(IngestConfig.model_validate({"source": "csv:bars"} | dates), today)[1] is None
    first, last = days_to_fetch(IngestConfig.model_validate({"source": "breeze"} | dates), today)
    assert first is not None and first < FULL_START and last == date(2025, 1, 9)


def test_an_ingestion_and_a_run_of_a_vendor_ask_for_the_same_days() -> None:
    """One config for both commands fetches the same bars, so `run --skip-fetch` after `ingest` trains the same."""
    run = run_config(("A",), FULL_START, FULL_END, source="breeze")
    ingest = IngestConfig(source="breeze", start_date=FULL_START, end_date=FULL_END)
    assert days_to_fetch(run, date(2026, 1, 1)) == days_to_fetch(ingest, date(2026, 1, 1))


def test_windows_outside_a_stay_are_skipped() -> None:
    """A window needs a day of the stay to train on and one to score; rows are counted within the stay."""
    sessions = mondays_to_fridays(date(2020, 10, 1), date(2025, 6, 30))
    config, known = run_config(("A",), FULL_START, FULL_END), table_of(coverage("A", sessions))
    windows = plan(config, known)
    ends = [each.window.end for each in windows]
    stay = Stay(first=ends[1] - timedelta(days=80), until=ends[3])
    planned = plan(config, known, Universe(stays={"A": (stay,)}))
    assert [each.skip for each in planned[:5]] == [
        SkipReason.NOT_A_MEMBER, None, None, SkipReason.NOT_A_MEMBER, SkipReason.NOT_A_MEMBER,
    ]  # fmt: skip
    assert f"does not belong to the universe from {ends[3]}" in planned[3].detail
    assert planned[1].expected_rows < planned[2].expected_rows == windows[2].expected_rows
    short = Universe(stays={"A": (stay.model_copy(update={"first": ends[1] - timedelta(days=20)}),)})
    assert plan(config, known, short)[1].skip is SkipReason.INSUFFICIENT_SAMPLES
    everyone = Universe(stays={"A": (Stay(first=date(2000, 1, 1)),)})
    assert plan(config, known, everyone) == windows and reasons(plan(config, known, everyone))[None]
