"""Every length of bar goes through gate, labels, plan and book."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from orchestrator.planning.days import days_to_fetch
from schemas.config.bars import BarsConfig, IngestConfig
from schemas.config.interval import DAY_MINUTES, INTERVAL_MINUTES, Interval, is_intraday, periods_per_year
from schemas.config.run import RunConfig
from schemas.contract.quality import Check, Finding
from tests.strategies import training_settings
from tests.workers.bars.walks import daily, minutely
from workers.bars.calendar import open_calendar
from workers.bars.quality import check
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Series
from workers.learning.history import prepare

FIRST, LAST = date(2023, 1, 2), date(2023, 3, 31)


def bars(interval: Interval, name: str = "NSE") -> Series:
    """Bars of every session, or every fifth daily bar for a week."""
    if is_intraday(interval):
        return minutely(FIRST, LAST, minutes=INTERVAL_MINUTES[interval], name=name)
    whole = daily(date(2019, 1, 1), LAST)
    if interval == "1day":
        return whole
    week = (whole.session + 3) // 7
    firsts = np.flatnonzero(np.diff(week, prepend=week[0] - 1))
    return Series(**{field: values[firsts] for field, values in vars(whole).items()})


def findings(series: Series, interval: Interval, name: str = "NSE") -> list[Finding]:
    clean = CleanBars(series, lambda row: f"bars.csv line {row + 2}", [])
    return check(clean, symbol="TCS", interval=interval, calendar=open_calendar(name), actions=()).findings


@pytest.mark.parametrize("interval", list(INTERVAL_MINUTES))
def test_bars_of_each_interval_have_no_finding_and_labels(interval: Interval) -> None:
    """The gate accepts a whole series of NSE; labels of intraday bars end inside their session, of others need not."""
    series = bars(interval)
    assert findings(series, interval) == []
    history = prepare(series, training_settings(interval=interval, horizon_bars=1))
    inside = series.session[history.labels.t0] == series.session[history.labels.t1]
    assert len(history.labels) and (inside == is_intraday(interval)).all()


@pytest.mark.parametrize("interval", ["15minute", "60minute", "240minute"])
def test_round_the_clock_bars_are_of_the_calendar_24_7(interval: Interval) -> None:
    assert findings(minutely(FIRST, LAST, minutes=INTERVAL_MINUTES[interval], name="24/7"), interval, "24/7") == []


def test_bars_on_the_clock_hour_are_inside_a_session_that_opens_a_quarter_past() -> None:
    """Some vendors begin hours at 09:00; the bar of 08:00 would end before the open."""
    series = bars("60minute")
    early = replace(series, timestamp=series.timestamp - 15 * 60 * 10**6)
    assert findings(early, "60minute") == []
    found = findings(replace(series, timestamp=series.timestamp - 75 * 60 * 10**6), "60minute")
    assert Check.OUTSIDE_SESSION in {finding.check for finding in found}


def test_a_wrong_interval_is_named_with_the_one_that_fits() -> None:
    """15-minute bars given as 5minute name 15minute; a missing week is found."""
    (finding,) = findings(bars("15minute"), "5minute")
    assert finding.check is Check.INTERVAL and "set --interval 15minute" in finding.detail
    weekly = bars("1week")
    hole = Series(**{name: np.delete(values, 20) for name, values in vars(weekly).items()})
    (missing,) = findings(hole, "1week")
    assert missing.check is Check.MISSING_SESSION and "1 of 222 weeks of NSE have no bar: 2019-05-20" in missing.detail


def test_other_names_and_vendors_limits() -> None:
    """1hour is 60minute; Breeze has four intervals and names them."""
    assert BarsConfig.model_validate({"interval": "4hour", "source": "csv:bars"}).interval == "240minute"
    with pytest.raises(ValueError, match="breeze has no 15minute bars; use --interval 1minute or 5minute"):
        BarsConfig(source="breeze", interval="15minute")


def test_a_year_has_252_sessions_365_days_or_52_weeks() -> None:
    """Annual ratios follow the days that are traded."""
    assert periods_per_year("1day", range(5)) == periods_per_year("5minute", range(5)) == 252
    assert periods_per_year("1day", range(7)) == periods_per_year("60minute", range(7)) == 365
    assert periods_per_year("1week", {0}) == 52


@pytest.mark.parametrize(("interval", "days"), [("1week", 150 * 7), ("240minute", 150 // 2), ("1day", 150)])
def test_warm_up_is_150_bars_of_each_interval(interval: Interval, days: int) -> None:
    """Weekly bars need three years before the first window."""
    config = IngestConfig(source="csv:bars", start_date=date(2024, 1, 1), interval=interval)
    first, _ = days_to_fetch(config, date(2024, 6, 1))
    assert first is not None and (date(2024, 1, 1) - first).days >= days
    run = {"source": "csv:bars", "start_date": FIRST, "end_date": LAST, "interval": interval, "horizon": 1}
    assert RunConfig.model_validate(run).interval == interval and DAY_MINUTES == 1440
