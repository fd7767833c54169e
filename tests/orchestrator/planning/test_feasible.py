"""Dates and lengths that leave no window are refused before a bar is read, and none that leaves one is."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.planning.feasible import refuse_few_symbols, refuse_infeasible
from orchestrator.planning.windows import plan
from orchestrator.runs.preflight import prepare, refuse_hopeless
from schemas.config.interval import INTERVAL_MINUTES, most_bars_per_session
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError
from schemas.contract.reason_words import words_for
from schemas.contract.window import SkipReason
from tests.known import coverage_of, table_of
from tests.strategies import examples

START, END, TODAY = date(2022, 1, 3), date(2023, 1, 2), date(2025, 1, 10)


def config(**changes: Any) -> RunConfig:
    dates = {"source": "csv:/no/such/folder", "symbols": ("A",), "start_date": START, "end_date": END}
    return RunConfig.model_validate(dates | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end_date": date(2022, 1, 8)}, "holds no window of a week or more; move --end-date"),
        # 30 days have 22 weekdays, and one special session at most: 18 rows of a horizon of 5.
        ({"window_days": 30}, "a window of 30 days has at most 18 labelled rows of 1day bars of NSE, and 40 are"
         " needed; give at least --window-days 60, or lower --min-rows"),
        ({"window_days": 40, "calendar": "24/7"}, "at most 35 labelled rows of 1day bars, and 40 .* --window-days 45,"),
        ({"window_days": 180, "interval": "1week"}, "at most 21 labelled rows of 1week bars .* --window-days 309"),
        ({"end_date": date(2022, 2, 14)}, "a window of 42 days .* move --end-date to 2022-03-04 or later, or lower"),
        ({"end_date": date(2022, 2, 14), "window_days": 50}, "later, with at least --window-days 60, or lower"),
        # A session of NSE has two bars of 4 hours, so a label of one bar leaves one row per session.
        ({"window_days": 45, "interval": "240minute", "horizon": 1}, "at most 34 labelled rows of 240minute bars"),
        ({"start_date": date(2030, 1, 1), "end_date": date(2031, 1, 1)}, "--start-date 2030-01-01 is after today"),
        ({"holdout_from": date(2022, 7, 2)}, "--holdout-from 2022-07-02 leaves no day to score: the first window ends"),
        ({"start_date": date(2024, 7, 10), "end_date": date(2025, 1, 6)}, "the first window ends on 2025-01-06, and to"
         " today, 2025-01-10, there are at most 5 bars after it; scoring needs 21; choose an earlier --end-date"),
        ({"label": "rank"}, r"--label rank compares symbols with each other and needs at least 5; this run has 1 \(A\);"
         " name more with --symbols, or choose another --label"),
        ({"features": "cross-section", "symbols": ("A", "B", "C", "D")},
         r"--features cross-section compares .* needs at least 5; this run has 4 \(A, B, C, D\)"),
    ],
)  # fmt: skip
def test_settings_that_leave_no_window_are_refused_with_the_setting_to_change(
    changes: dict[str, Any], message: str
) -> None:
    """By the calendar and the lengths alone; the bars are not looked at."""
    horizon = {"horizon": 20} if "2025" in message else {}
    with pytest.raises(RequestError, match=message):
        refuse_infeasible(config(**changes, **horizon), TODAY)


def test_five_symbols_can_be_compared() -> None:
    """Named or found in the source; those of other labels need no others."""
    five = ("A", "B", "C", "D", "E")
    refuse_infeasible(config(label="rank", symbols=five), TODAY)
    refuse_few_symbols(config(label="rank", features="own", symbols=five))
    refuse_few_symbols(config())
    with pytest.raises(RequestError, match=r"this run has 0 \(none\)"):
        refuse_few_symbols(config(label="rank", symbols=()))
    with pytest.raises(ValueError, match="--privileged cross-section adds nothing to --features cross-section"):
        config(label="rank", symbols=five, scope="panel", privileged="cross-section")


def test_the_least_lengths_that_are_named_are_enough() -> None:
    """A day less is refused, the named number is not."""
    for changes, least in (({}, 60), ({"calendar": "none"}, 45), ({"interval": "1week", "end_date": TODAY}, 309)):
        with pytest.raises(RequestError, match=f"--window-days {least},"):
            refuse_infeasible(config(**changes, window_days=least - 1), TODAY)
        refuse_infeasible(config(**changes, window_days=least), TODAY)


def test_plan_and_run_refuse_before_the_source_is_opened() -> None:
    """Both begin with `prepare`: the folder of the source does not exist, and the window is what is named."""
    for read in (True, False):
        with pytest.raises(RequestError, match="give at least --window-days"):
            prepare(config(window_days=30), read=read)


@examples(150)
@given(
    first=st.dates(date(2015, 1, 1), date(2024, 1, 1)),
    length=st.integers(30, 700),
    offset=st.integers(-30, 300),
    window_days=st.integers(7, 250),
    horizon=st.integers(1, 30),
    interval=st.sampled_from(sorted(set(INTERVAL_MINUTES) - {"1week"})),
    closed=st.sets(st.integers(0, 700), max_size=60),
)
def test_what_the_plan_trains_is_never_refused(
    first: date, length: int, offset: int, window_days: int, horizon: int, interval: str, closed: set[int]
) -> None:
    """Whatever days of an exchange have bars: if the plan leaves a window, the settings were not refused."""
    days = [first + timedelta(days=day) for day in range(length)]
    open_days = [day for number, day in enumerate(days) if day.weekday() < 5 and number not in closed]
    if not open_days:
        return
    start = first + timedelta(days=offset)
    wanted = config(
        start_date=start, end_date=start + timedelta(days=300), window_days=window_days, horizon=horizon,
        interval=interval, cross_session=True, calendar="NSE",
    )  # fmt: skip
    known = table_of(coverage_of("A", open_days, most_bars_per_session(wanted.interval)))
    if any(each.skip is None for each in plan(wanted, known)):
        refuse_infeasible(wanted, days[-1])


@pytest.mark.parametrize(
    ("bars", "changes", "reason", "fix"),
    [
        ((date(2018, 1, 1), 300), {}, SkipReason.NO_DATA, "choose --start-date and --end-date within the bars"),
        ((date(2022, 6, 27), 300), {}, SkipReason.INSUFFICIENT_HISTORY, "add earlier bars, or choose a later"),
        ((date(2021, 1, 4), 728), {"window_days": 364, "step_days": 364}, SkipReason.INSUFFICIENT_FUTURE_DATA,
         "add later bars, or choose an earlier --end-date"),
        ((date(2021, 1, 4), 800), {"min_rows": 258, "window_days": 364}, SkipReason.INSUFFICIENT_SAMPLES,
         "give longer --window-days, or lower --min-rows or --horizon"),
    ],
)  # fmt: skip
def test_what_only_bars_show_ends_with_one_sentence_and_a_fix(
    bars: tuple[date, int], changes: dict[str, Any], reason: SkipReason, fix: str
) -> None:
    """After an ingestion that leaves no window: the counts, one window's numbers, and what to change."""
    days = [day for n in range(bars[1]) if (day := bars[0] + timedelta(days=n)).weekday() < 5]
    windows = plan(config(**changes), table_of(coverage_of("A", days)))
    with pytest.raises(RequestError) as caught:
        refuse_hopeless(windows)
    assert f"{words_for(reason)} ({len(windows)})" in str(caught.value)
    assert str(caught.value).endswith(fix) or fix in str(caught.value)
    assert "\n" not in str(caught.value)
